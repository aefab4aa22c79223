# Part of mftd; see LICENSE.
# The provisioner: a role's bundle goes to the machine and is set up there.
# (Vagrant's own "file" wants its source to be there when the Vagrantfile is
# read, and the bundles are made later, by host/prepare.)
module Mft
  class BundlePlugin < Vagrant.plugin("2")
    name "mft bundle"

    config(:mft_bundle, :provisioner) { BundleConfig }
    provisioner(:mft_bundle) { Bundle }
  end

  class BundleConfig < Vagrant.plugin("2", :config)
    attr_accessor :role
  end

  class Bundle < Vagrant.plugin("2", :provisioner)
    THERE = "/var/tmp/mft-cluster.tar".freeze

    def provision
      comm = @machine.communicate
      comm.upload(File.join(Host.state, "#{config.role}.tar"), THERE)
      comm.upload(File.join(Settings::TOP, "provision", "unpack"),
                  "/var/tmp/mft-unpack")
      code = comm.sudo("sh /var/tmp/mft-unpack #{config.role} #{@machine.name}",
                       error_check: false) { |_, text| tell(text) }
      return if code.zero?
      raise Error, "#{@machine.name} could not be set up, see above. When the "\
                   "cause is mended: `vagrant provision`; `vagrant destroy` "\
                   "takes all away."
    end

    private

    def tell(text)
      text.each_line { |line| @machine.ui.detail(line.chomp) }
    end
  end
end
