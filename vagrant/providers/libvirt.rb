# Part of mftd; see LICENSE.
# Virtual machines under qemu. Their second interface is the cluster's network;
# MFT_QEMU=emulated does without KVM.
module Mft
  module Providers
    module Libvirt
      module_function

      def configure(machine, m, settings)
        machine.vm.provider :libvirt do |libvirt, override|
          libvirt.default_prefix = "#{settings["name"]}-"
          libvirt.memory = m.memory_mb
          libvirt.cpus = m.role == "node" ? 2 : 1
          libvirt.graphics_type = "none"
          emulated(libvirt) if ENV["MFT_QEMU"] == "emulated"
          override.vm.hostname = m.name
          override.vm.network :private_network, ip: m.address,
            libvirt__network_name: "#{settings["name"]}0",
            libvirt__dhcp_enabled: false, libvirt__forward_mode: "none"
        end
      end

      def emulated(libvirt)
        libvirt.driver = "qemu"
        libvirt.cpu_mode = "maximum"
      end
    end
  end
end
