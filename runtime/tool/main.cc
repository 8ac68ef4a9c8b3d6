#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "host/build.h"
#include "host/command_line.h"
#include "tool/verbs.h"

namespace weir {

int tool_main(int argc, char** argv) {
  CLI::App app("Controls deployments: their topics, their records, their processes.", "weir");
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of all commands");
  app.footer(
      "Exit codes: 0 done, 1 a check failed, 64 usage, 65 bad input, 69 no broker, 70 broken,\n"
      "74 disk, 75 try again, 77 not allowed, 78 configuration.");
  Status done;
  add_topics(app, done);
  add_produce(app, done);
  add_tap(app, done);
  add_status(app, done);
  add_new(app, done);
  app.add_subcommand("version", "Print the version")->callback([] {
    fmt::print("weir {}\n", kBuildVersion);
  });
  return run_command_line(app, argc, argv, done);
}

}  // namespace weir
