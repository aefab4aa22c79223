# Part of mftd; see LICENSE.
# The machine that Vagrant runs on: is there room, and is the range free?
require "ipaddr"
require "json"
require "open3"

module Mft
  module Host
    PLUGINS = { "lxc" => "vagrant-lxc", "libvirt" => "vagrant-libvirt" }.freeze
    SCRIPTS = File.join(Settings::TOP, "host")

    module_function

    # The provider that a command is going to use; Vagrant tells it later.
    def provider(argv)
      named = argv.each_with_index.filter_map do |word, i|
        word[/\A--provider=(.+)/, 1] || (argv[i + 1] if word == "--provider")
      end
      named.last || used || ENV["VAGRANT_DEFAULT_PROVIDER"] || "libvirt"
    end

    # That of the machines that are there.
    def used
      dot = ENV["VAGRANT_DOTFILE_PATH"] || File.join(Settings::TOP, ".vagrant")
      found = Dir.glob(File.join(dot, "machines", "*", "*", "id")).first
      found && File.basename(File.dirname(found))
    end

    def check_provider(name)
      plugin = PLUGINS[name]
      unless plugin || name == "virtualbox"
        raise Error, "--provider=#{name}: lxc, libvirt or virtualbox"
      end
      return if plugin.nil? || Vagrant.has_plugin?(plugin)
      raise Error, "--provider=#{name} needs the plugin #{plugin}: on Debian "\
                   "`apt install #{plugin}`, else `vagrant plugin install "\
                   "#{plugin}`."
    end

    # What was made with other settings could neither be used nor taken away.
    def check_same(settings)
      return unless File.exist?(ready)
      YAML.safe_load(File.read(ready)).each do |key, value|
        next if settings.fixed[key] == value
        settings.fail!(key, "#{settings.fixed[key].inspect} will not do, the "\
                       "cluster was made with #{value.inspect}: write that "\
                       "until `vagrant destroy` has taken it away")
      end
    end

    # Before the first machine is made.
    def check_room(settings, env)
      check_whole(settings)
      check_box(settings, env)
      check_memory(settings)
      check_range(settings)
    end

    # VirtualBox's block is there, but no fencing for it yet.
    def check_whole(settings)
      return unless settings.provider == "virtualbox"
      raise Error, "--provider=#{settings.provider}: not yet, its fencing is "\
                   "missing; --provider=libvirt or lxc does it. See "\
                   "mftd-vagrant(7)."
    end

    # Vagrant would look for it in a catalogue.
    def check_box(settings, env)
      name = settings.box
      return if env.boxes.find(name, settings.provider.to_sym, ">= 0")
      raise Error, "box: there is no #{name} for #{settings.provider} here: "\
                   "`sudo vagrant/box/build -p #{settings.provider}` makes it."
    end

    def check_memory(settings)
      free = File.read("/proc/meminfo")[/^MemAvailable: +(\d+) kB/, 1].to_i / 1024
      wanted = settings.machines.sum(&:memory_mb)
      return if wanted <= free
      raise Error, "Too little memory: the machines take #{wanted} MiB, and "\
                   "#{free} MiB are free. Free some, or write less nodes or "\
                   "less memory_mb into local.yaml (see cluster.yaml)."
    rescue Errno::ENOENT
      nil                       # not Linux: the provider will say so itself
    end

    def check_range(settings)
      range = IPAddr.new("#{settings.address(0)}/24")
      out, = Open3.capture2("ip", "-json", "-4", "route", "show", "table", "all")
      JSON.parse(out).each do |route|
        other = address_of(route["dst"]) or next
        next unless other.include?(range) || range.include?(other)
        raise Error, "The address range #{settings.address(0)}/24 is in use "\
                     "here (#{route["dst"]} on #{route["dev"]}): write "\
                     "another network into local.yaml (see cluster.yaml)."
      end
    rescue Errno::ENOENT
      nil
    end

    def address_of(text)
      IPAddr.new(text) unless text == "default"
    rescue IPAddr::Error
      nil
    end

    # A script of host/, with the settings in its environment.
    def run(settings, script, *arguments)
      env = settings.to_env.merge("MFT_STATE" => state, "MFT_PACKAGE" =>
                                  settings["package"])
      text, status = Open3.capture2e(env, File.join(SCRIPTS, script), *arguments)
      raise Error, text.strip unless status.success?
      text
    end

    # Keys, the package, what the power service needs.
    def state
      dot = ENV["VAGRANT_DOTFILE_PATH"] || File.join(Settings::TOP, ".vagrant")
      File.join(File.expand_path(dot, Settings::TOP), "mft")
    end

    # There when the rest of it is; holds what must stay as it is.
    def ready
      File.join(state, "ready")
    end
  end
end
