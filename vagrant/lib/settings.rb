# Part of mftd; see LICENSE.
# cluster.yaml and local.yaml, checked: what machines there are, and where.
require "yaml"

module Mft
  # What an administrator can mend: shown without a stack.
  class Error < Vagrant::Errors::VagrantError
    def initialize(text)
      @text = text
      super()
    end

    def error_message
      @text
    end
  end

  Machine = Struct.new(:name, :role, :address, :memory_mb)

  class Settings
    TOP = File.expand_path("..", __dir__)
    RULES = {
      "name" => [/\A[a-z][a-z0-9]{0,7}\z/, "1 to 8 of a-z and 0-9"],
      "nodes" => [2..8, "a number from 2 to 8"],
      "network" => [/\A(\d{1,3})\.(\d{1,3})\.(\d{1,3})\z/,
                    "three numbers, like 192.168.58"],
      "shell" => [%w[crm pcs], "crm or pcs"],
      "storage" => [["", "nfs", "gluster"], "nfs, gluster or empty"],
      "package" => [String, "a file's name"],
      "box" => [String, "a box's name"],
      "memory_mb" => [Hash, "node, database, storage, partner: each in MiB"]
    }.freeze
    ROLES = %w[node database storage partner].freeze
    LEAST_MB = { "node" => 512, "database" => 256, "storage" => 256,
                 "partner" => 192 }.freeze

    def initialize(provider)
      @provider = provider
      @file = ENV["MFT_CLUSTER"] || File.join(TOP, "local.yaml")
      @values = read(File.join(TOP, "cluster.yaml"))
      own = ENV["MFT_CLUSTER"] || File.exist?(@file) ? read(@file) : {}
      own.each { |key, value| override(key, value) }
      @values.each { |key, value| check(key, value) }
      check_memory
      check_network
      return unless lxc? && storage == "nfs"
      fail!("storage", "the kernel of this machine would be NFS client for all "\
            "containers at once: gluster")
    end

    attr_reader :provider

    def lxc?
      provider == "lxc"
    end

    # With MFT_QEMU=emulated libvirt does without KVM, which takes its time.
    def emulated?
      provider == "libvirt" && ENV["MFT_QEMU"] == "emulated"
    end

    # The script of host/ for what stands around the machines.
    def rack
      lxc? ? "rack" : "rack-libvirt"
    end

    def [](key)
      @values[key]
    end

    def storage
      return self["storage"] unless self["storage"].empty?
      lxc? ? "gluster" : "nfs"
    end

    def box
      return self["box"] unless self["box"].empty?
      provider == "virtualbox" ? "debian/bookworm64" : "mftd-cluster"
    end

    def address(last)
      "#{self["network"]}.#{last}"
    end

    # What is met first is brought up first, where it is one by one: the nodes
    # find their database and storage, the partner finds a cluster. A name that
    # a hexadecimal number could begin with, like db, Vagrant takes for the
    # beginning of a machine's UUID, if there is one that begins so.
    def machines
      [machine("storage", "storage", 6), machine("database", "database", 5),
       *nodes, machine("partner", "partner", 7)]
    end

    def nodes
      (1..self["nodes"]).map { |i| machine("n#{i}", "node", 10 + i) }
    end

    # For the scripts, of the host and of the machines.
    def to_env
      list = ->(base) { (1..self["nodes"]).map { |i| address(base + i) } }
      { "NAME" => self["name"], "NODES" => nodes.map(&:name).join(","),
        "NODE_ADDRESSES" => list.call(10).join(","),
        "FLOATING" => list.call(100).join(","), "BMCS" => list.call(200).join(","),
        "NETWORK" => self["network"], "HOST" => address(1), "DB" => address(5),
        "STORAGE" => address(6), "PARTNER" => address(7),
        "CRM_OR_PCS" => self["shell"], "SHARED" => storage,
        "PROVIDER" => provider, "MFT_UID" => "870",
        "PATIENCE" => emulated? ? "6" : "1" }
    end

    # What may not change while there are machines.
    def fixed
      @values.slice("name", "nodes", "network", "shell", "storage")
    end

    def fail!(key, text)
      raise Error, "#{@file}: #{key}: #{text}"
    end

    private

    def read(path)
      YAML.safe_load(File.read(path)) || {}
    rescue SystemCallError, Psych::Exception => e
      raise Error, "#{path}: #{e.message}"
    end

    def override(key, value)
      fail!(key, "there is no such setting; see cluster.yaml") \
        unless RULES.key?(key)
      value = @values[key].merge(value) if value.is_a?(Hash) && key == "memory_mb"
      @values[key] = value
    end

    def check(key, value)
      rule, wanted = RULES[key]
      right = case rule
              when Array then rule.include?(value)
              else rule === value
              end
      right &&= value.split(".").all? { |n| n.to_i < 256 } if key == "network"
      fail!(key, "#{value.inspect} will not do: #{wanted}") unless right
    end

    def check_memory
      self["memory_mb"].each do |role, mb|
        fail!("memory_mb", "#{role}: no such machine") unless ROLES.include?(role)
        next if mb.is_a?(Integer) && mb >= LEAST_MB[role]
        fail!("memory_mb", "#{role}: #{mb.inspect} MiB will not do, it takes "\
              "#{LEAST_MB[role]} or more")
      end
    end

    # vagrant-libvirt's own, which is there only when it has made it.
    def check_network
      return unless provider == "libvirt" && self["network"] == "192.168.121"
      fail!("network", "192.168.121 is that of vagrant-libvirt itself: another")
    end

    def machine(name, role, last)
      Machine.new(name, role, address(last), self["memory_mb"][role])
    end
  end
end
