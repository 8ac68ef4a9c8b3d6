// From a deployment's words to the values that a lane is made of. Knows config, codec and loop, and
// neither Kafka nor a disk: the process and the test drivers build their lanes from the same plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "codec/lane_codec.h"
#include "codec/schema.h"
#include "config/deployment.h"
#include "loop/settings.h"
#include "weir/stage.h"

namespace weir {

struct LanePlan {
  LaneSettings settings;
  std::vector<InputFormat> formats;        // by InputIndex
  std::vector<std::string> input_topics;   // by InputIndex
  std::vector<std::string> output_topics;  // by OutputIndex; the dead letters' last
  // Owns the descriptors of configured types; shared by all lanes of the plan.
  std::shared_ptr<const Schema> schema;
};

// `deployment` was loaded with `spec`. Fails with stop(config) naming the place in the
// deployment's file.
Result<LanePlan> plan_lane(const config::Deployment& deployment, const StageSpec& spec);

}  // namespace weir
