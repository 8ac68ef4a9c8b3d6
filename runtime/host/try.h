// A stage over a file, with the simulated Kafka: the first thing to do with a stage.
#pragma once

#include <string>

#include "config/deployment.h"
#include "weir/stage.h"

namespace weir {

// Feeds each line of `file` ("-": standard input) to the stage's first input, all to one partition,
// and prints what came out: outputs (JSON where their type is known), duplicates, drops, dead
// letters with their reasons, then a summary. `json`: one object a line on standard output, notices
// on standard error, so that the output of one `try` can be the input of the next.
Status try_stage(const config::Deployment& deployment, const StageSpec& spec,
                 const std::string& file, bool json);

}  // namespace weir
