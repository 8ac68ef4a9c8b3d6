// A stage over a file, with the simulated Kafka: the first thing to do with a stage.
#pragma once

#include <string>

#include "config/deployment.h"
#include "weir/stage.h"

namespace weir {

struct TryOptions {
  std::string file;   // "-": standard input
  std::string input;  // the port; empty: the only one
  bool json = false;
};

// Feeds each line of the file to the input, all to one partition and with one Kafka timestamp, so
// that a dedup window holds them all. Where the input is protobuf of a known type, lines are JSON
// of it. The file may be endless; its records are not kept.
//
// Prints per line what came of it: outputs (JSON where their type is known), duplicate, dropped and
// why, dead letter and why; then a summary. `json`: the outputs alone on standard output, one
// object a line, as the next stage's try reads them; all else on standard error.
//
// Dead letters are no failure. A file that can't be read or is compressed, or a line that is not
// the message that the input needs, is bad_input; the last, after all the rest was done. An input
// that isn't there, or none of several, is usage.
Status try_stage(const config::Deployment& deployment, const StageSpec& spec,
                 const TryOptions& options);

}  // namespace weir
