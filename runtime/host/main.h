// The command line of every stage's program.
#pragma once

#include "weir/stage.h"

namespace weir {

// run | try | lint | schema | echo | version. Returns the exit code: see ExitCode.
int stage_main(int argc, char** argv, const StageSpec& spec);

}  // namespace weir
