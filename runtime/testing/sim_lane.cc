#include "testing/sim_lane.h"

#include <limits>

namespace weir {

namespace {

// Where the default `../proto` of a text's paths leads to the project's proto/.
constexpr const char* kTextName = "config/(text)";

// `stage:` goes to the end, so that places in messages are those of the text.
std::string with_stage(const std::string& text, const std::string& stage) {
  const config::Document document = config::read_yaml(text, kTextName);
  const bool has_stage = document.root && document.root->find("stage") != nullptr;
  return has_stage || !document.problems.empty() ? text : text + "\nstage: " + stage + "\n";
}

}  // namespace

const google::protobuf::Descriptor* SimDeployment::output_type(std::size_t output) const {
  const google::protobuf::Descriptor* own = spec.outputs()[output].descriptor;
  return own == nullptr && plan.formats.size() == 1 ? plan.formats[0].descriptor : own;
}

Result<SimDeployment> SimDeployment::load(const Deployed& deployed) {
  config::LoadOptions options;
  options.spec = &deployed.spec;
  const auto* file = std::get_if<ConfigFile>(&deployed.config);
  config::Loaded loaded = file != nullptr
                              ? config::load(file->path, options)
                              : config::load_text(with_stage(std::get<std::string>(deployed.config),
                                                             deployed.spec.name()),
                                                  kTextName, options);
  WEIR_TRY(loaded.status());
  WEIR_TRY_ASSIGN(LanePlan plan, plan_lane(*loaded.deployment, deployed.spec));
  return SimDeployment{deployed.spec, std::move(*loaded.deployment), std::move(plan)};
}

void CountingProbe::turn_committed(const TurnCounts& turn, std::chrono::nanoseconds /*age*/) {
  counts_.turns += turn;
  for (const auto& [reason, count] : dropped_) {
    counts_.dropped[reason] += count;
  }
  dropped_.clear();
}

SimLane::SimLane(const SimDeployment& deployment, const Parts& parts)
    : deployment_(deployment),
      kafka_(parts.kafka),
      source_(parts.kafka.source(deployment.plan.settings.group, deployment.plan.input_topics,
                                 parts.faults)),
      sink_(parts.kafka.sink(deployment.deployment.transactional_id(0),
                             deployment.plan.output_topics, deployment.plan.settings.group,
                             deployment.plan.input_topics, parts.faults)) {}

Result<std::unique_ptr<SimLane>> SimLane::make(const SimDeployment& deployment,
                                               const LaneSettings& settings, const Parts& parts) {
  std::unique_ptr<SimLane> lane(new SimLane(deployment, parts));
  WEIR_TRY_ASSIGN(lane->deaths_, DeathLedger::open(""));
  WEIR_TRY_ASSIGN(lane->codec_, LaneCodec::make(deployment.plan.formats, parts.on_unknown_field));
  WEIR_TRY_ASSIGN(lane->stage_, deployment.spec.make_stage(deployment.deployment.options.get()));
  lane->loop_ = std::make_unique<Loop>(
      settings, LoopParts{*lane->source_, *lane->sink_, *lane->codec_, *lane->stage_, parts.stores,
                          *lane->deaths_, parts.clock, parts.probe});
  return lane;
}

Status SimLane::step() {
  const Status done = loop_->advance();
  return done.is_ok() || done.remedy() != Remedy::stop ? Status::ok() : done;
}

Status SimLane::drain() {
  Status drained = loop_->drain();
  const Status left = loop_->leave();
  return drained.is_ok() ? left : drained;
}

std::int64_t SimLane::lag() const {
  std::int64_t lag = 0;
  for (const std::string& topic : deployment_.plan.input_topics) {
    for (std::int32_t p = 0; p < kafka_.partitions(topic); ++p) {
      const auto committed = kafka_.committed(deployment_.plan.settings.group, topic, p);
      lag += kafka_.end(topic, p).value() - committed.value_or(NextOffset(0)).value();
    }
  }
  return lag;
}

bool SimLane::is_at_end() const {
  return lag() == 0;
}

void create_topics(SimKafka& kafka, const LanePlan& plan, std::int32_t partitions) {
  constexpr std::size_t kAnySize = std::numeric_limits<std::size_t>::max();
  const auto create = [&](const std::string& topic, std::size_t record_bytes_max) {
    if (!kafka.has_topic(topic)) {
      kafka.create_topic(topic, {.partitions = partitions, .record_bytes_max = record_bytes_max});
    }
  };
  for (const std::string& topic : plan.output_topics) {
    create(topic, topic == plan.output_topics.back() ? kAnySize
                                                     : SimKafka::TopicOptions().record_bytes_max);
  }
  for (const std::string& topic : plan.input_topics) {
    create(topic, kAnySize);
  }
}

}  // namespace weir
