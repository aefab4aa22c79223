# Part of mftd; see LICENSE.
# `vagrant up` that failed: why, what to do, and nothing half-made left.
module Mft
  class FailurePlugin < Vagrant.plugin("2")
    name "mft failure"

    action_hook("mft why", :machine_action_up) { |hook| hook.prepend(Why) }
    action_hook("mft end", :environment_unload) { |hook| hook.append(End) }
  end

  # LXC's tools say why on their standard error, which the plugin keeps.
  class Why
    def initialize(app, _env)
      @app = app
    end

    def call(env)
      @app.call(env)
    rescue Vagrant::Errors::VagrantError => e
      raise unless e.respond_to?(:stderr)
      name = env[:machine].name
      had = env[:machine].id
      raise Error, "#{name} could not be #{had ? "started" : "made"}: "\
                   "#{reason(e)}\nWhen the cause is mended: `vagrant up`; "\
                   "`vagrant destroy -f` takes all away."
    end

    private

    # What was said last comes of what was said first.
    def reason(error)
      lines = error.stderr.to_s.lines.map(&:strip).reject(&:empty?)
      lines.empty? ? error.message : lines.first(5).join("\n  ")
    end
  end

  # Where no machine was made, nothing around them is left.
  class End
    def initialize(app, _env)
      @app = app
    end

    def call(env)
      Life.end
      @app.call(env)
    end
  end
end
