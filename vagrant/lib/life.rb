# Part of mftd; see LICENSE.
# What is done here on the host before the first machine, and after the last.
require "fileutils"

module Mft
  module Life
    module_function

    def triggers(config, settings)
      config.trigger.before :up, :provision do |t|
        t.name = "mft host"
        t.ruby { |_env, machine| alone { prepare(settings, machine.env) } }
      end
      config.trigger.after :destroy do |t|
        t.name = "mft host"
        t.ruby { |_env, _machine| alone { clear(settings) } }
      end
    end

    # Machines come up at the same time, each with its triggers.
    def alone
      FileUtils.mkdir_p(File.dirname(Host.state))
      File.open("#{Host.state}.lock", File::CREAT | File::RDWR) do |file|
        file.flock(File::LOCK_EX)
        yield
      end
    end

    def prepare(settings, env)
      first = !File.exist?(Host.ready)
      Host.check_room(settings, env) if first
      Host.run(settings, "prepare")
      Host.run(settings, settings.rack, "up")
      File.write(Host.ready, YAML.dump(settings.fixed)) if first
      @begun = settings if first
    rescue StandardError
      undo(settings) if first
      raise
    end

    # Of this run of Vagrant, which may have failed to make any machine.
    def end
      begun = @begun or return
      alone { clear(begun) }
    end

    # Only when no machine is left.
    def clear(settings)
      undo(settings) unless Host.used
    end

    def undo(settings)
      Host.run(settings, settings.rack, "down") if Dir.exist?(Host.state)
      FileUtils.rm_rf(Host.state)
    end
  end
end
