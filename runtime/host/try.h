// A stage over a file, with the simulated Kafka: the first thing to do with a stage.
#pragma once

#include <string>

#include "config/deployment.h"
#include "weir/stage.h"

namespace weir {

// Feeds each line of `file` ("-": standard input) to the stage's first input, all to one partition
// and with one Kafka timestamp, so that a dedup window holds them all. Where that input is protobuf
// of a known type, lines are JSON of it. The file may be endless; its records are not kept.
//
// Prints per line what came of it: outputs (JSON where their type is known), duplicate, dropped and
// why, dead letter and why; then a summary. `json`: the outputs alone on standard output, one
// object a line, as the next stage's try reads them; all else on standard error.
//
// Dead letters are no failure. A file that can't be read, or a line that is not the message that
// the input needs, is bad_input, after all the rest was done.
Status try_stage(const config::Deployment& deployment, const StageSpec& spec,
                 const std::string& file, bool json);

}  // namespace weir
