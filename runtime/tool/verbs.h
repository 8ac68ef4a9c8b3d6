// The verbs of `weir`: one file each.
#pragma once

#include "weir/status.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace weir {

// Each adds its command line to `app`. When the verb was asked for, it runs while `app` parses and
// leaves its outcome in `done`, which outlives `app`. Standard output is the answer alone.
void add_topics(CLI::App& app, Status& done);
void add_produce(CLI::App& app, Status& done);
void add_tap(CLI::App& app, Status& done);
void add_status(CLI::App& app, Status& done);
void add_new(CLI::App& app, Status& done);

// The whole program. Returns the exit code: see ExitCode.
int tool_main(int argc, char** argv);

}  // namespace weir
