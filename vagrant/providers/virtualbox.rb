# Part of mftd; see LICENSE.
# Virtual machines under VirtualBox, which lets host-only networks be in
# 192.168.56.0/21 without further ado.
module Mft
  module Providers
    module Virtualbox
      module_function

      def configure(machine, m, settings)
        machine.vm.provider :virtualbox do |box, override|
          box.name = "#{settings["name"]}-#{m.name}"
          box.memory = m.memory_mb
          box.cpus = m.role == "node" ? 2 : 1
          box.linked_clone = true
          override.vm.hostname = m.name
          override.vm.network :private_network, ip: m.address
        end
      end
    end
  end
end
