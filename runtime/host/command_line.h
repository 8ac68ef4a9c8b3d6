// What the command lines of all programs have in common.
#pragma once

#include <string_view>

#include "weir/status.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's
class App;
}

namespace weir {

// What a program ends with whose outcome is `status`.
ExitCode exit_code_of(const Status& status);

// Parses; the command that was asked for runs meanwhile and leaves its outcome in `done`. A word
// that is no command is named; so is an empty one, which is a variable that isn't set. Where a
// command is missing, those that there are are listed. Prints a failure, unless the command set
// `is_said`, and returns the exit code: see ExitCode.
int run_command_line(CLI::App& app, int argc, char** argv, const Status& done,
                     const bool& is_said = false);

}  // namespace weir
