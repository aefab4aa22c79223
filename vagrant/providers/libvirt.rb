# Part of mftd; see LICENSE.
# Virtual machines under qemu. Their second interface is in the cluster's
# network, which host/rack-libvirt has made.
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
          libvirt.memballoon_enabled = false
          override.vm.guest = :debian
          override.vm.network :private_network, ip: m.address,
            libvirt__network_name: "#{settings["name"]}0",
            libvirt__dhcp_enabled: false, libvirt__forward_mode: "none",
            libvirt__always_destroy: false
          emulated(libvirt, override) if settings.emulated?
        end
      end

      # What is costly to emulate is left out: wide registers, five levels of
      # pages, and what Intel's processors have to be guarded against. A cut of
      # the power that takes the host along is not what is tried here.
      def emulated(libvirt, override)
        libvirt.driver = "qemu"
        libvirt.cpu_mode = "custom"
        libvirt.cpu_model = "qemu64"
        %w[ssse3 sse4.1 sse4.2 popcnt aes pclmuldq].each do |feature|
          libvirt.cpu_feature name: feature, policy: "require"
        end
        libvirt.cpus = 1
        libvirt.cpuset = ENV["MFT_CPUS"] if ENV["MFT_CPUS"]
        libvirt.disk_driver cache: "unsafe"
        override.vm.boot_timeout = 1200
      end
    end
  end
end
