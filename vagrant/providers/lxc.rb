# Part of mftd; see LICENSE.
# Containers on this machine's kernel. The address is LXC's own affair, and the
# name too: vm.network and vm.hostname do not work with LXC 5.
module Mft
  module Providers
    module Lxc
      module_function

      def configure(machine, m, settings)
        machine.vm.provider :lxc do |lxc, _override|
          lxc.container_name = "#{settings["name"]}-#{m.name}"
          lxc.backingstore = "dir"
          lxc.tmpfs_mount_size = nil
          lxc.ssh_ip_addr = m.address
          options(m, settings).each { |key, value| lxc.customize(key, value) }
        end
      end

      def options(m, settings)
        { "net.0.type" => "veth", "net.0.link" => "#{settings["name"]}0",
          "net.0.name" => "eth0", "net.0.flags" => "up",
          "net.0.ipv4.address" => "#{m.address}/24",
          "uts.name" => m.name,
          # GlusterFS is mounted through it
          "mount.entry" => "/dev/fuse dev/fuse none bind,create=file 0 0" }
      end
    end
  end
end
