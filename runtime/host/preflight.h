// What must be true of the stage, of this process and of the cluster's topics before a lane may
// start.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "assembly/lane_plan.h"
#include "config/deployment.h"
#include "kafka/admin.h"
#include "weir/stage.h"

namespace weir {

// Ok when all are; else stop with what each failure says, one a line, and the exit code of the
// first: who mends one of them must not learn of the next by another start.
Status together(const std::vector<Status>& checks);

// Ok when a stage can be made, as each lane will; else stop(config) with the deployment's file. A
// model's file that is missing is found here.
Status check_stage(const config::Deployment& deployment, const StageSpec& spec);

// Ok when each offset that a person set is of an input where that can be; else stop(usage).
// `offsets`: as LaneSettings::trusted_offsets.
Status check_trusted_offsets(
    const config::Deployment& deployment,
    const std::map<std::pair<std::string, std::int32_t>, NextOffset>& offsets);

// As many open files as the system lets this process have, or stop(config) when they can't be
// enough: running short of them looks like a broker that doesn't answer.
Status raise_open_files_max(int lanes);

// A topic as the cluster knows it; nullopt: there is none.
using DescribeTopic =
    std::function<Result<std::optional<TopicDescription>>(const std::string& topic)>;

// The names of all topics.
using ListTopics = std::function<Result<std::vector<std::string>>()>;

// Ok; a failure of `describe` as it is, at once; or stop(config) with all that is wrong, one a
// line, each naming the topic and the way out: one is missing, can't be deduplicated, or an output
// is compacted, has the wrong clock, or another partition count or a shorter retention than its
// input. `list` is asked where an input is missing: for what was meant, so it may fail.
// `bootstrap` is for the commands that mend it.
Status check_topics(const config::Deployment& deployment, const LanePlan& plan,
                    std::string_view bootstrap, const DescribeTopic& describe,
                    const ListTopics& list);

// A part of it: one of the deployment's inputs as its topic is described.
Status check_input_topic(const config::Deployment& deployment, const config::Input& input,
                         const TopicDescription& topic, std::string_view bootstrap);

// And one derived topic against one input: how long each keeps its records, nullopt: for ever.
Status check_retention(const std::string& topic, std::optional<std::int64_t> kept_ms,
                       const std::string& input, std::optional<std::int64_t> input_kept_ms,
                       std::string_view bootstrap);

// Of the time for which silent brokers are still waited for: the pause, and then the longest that
// their answer may take.
struct Attempt {
  std::chrono::milliseconds pause;
  std::chrono::milliseconds request_wait_max;
};

// What becomes of the time that is `left`; nullopt: none is. Attempts that take all that they may
// end with that time, but the last is given a second at least.
std::optional<Attempt> next_attempt(std::chrono::milliseconds left,
                                    std::chrono::milliseconds request_wait_max);

}  // namespace weir
