// What every stage keeps to, whatever it does. Compiled once per stage (WEIR_STAGE) and run with
// each file of config/ that is a deployment of it, from the project's root.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include "codec/to_json.h"
#include "config/yaml.h"
#include "testing/pipeline_driver.h"

namespace stages::WEIR_STAGE {
weir::StageSpec spec();
}  // namespace stages::WEIR_STAGE

namespace weir {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int kRecords = 40;
constexpr std::int64_t kBeginning = 1'700'000'000'000;
const char* const kCrash = "the test's crash";

std::vector<std::string> config_files() {
  const StageSpec spec = stages::WEIR_STAGE::spec();
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator("config")) {
    if (entry.path().extension() == ".yaml") {
      const config::Document document = config::read_yaml_file(entry.path().string());
      const config::Node* stage = document.root ? document.root->find("stage") : nullptr;
      if (stage != nullptr && stage->text == spec.name()) {
        files.push_back(entry.path().string());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A message of the type, different for each `number`: its numbers and texts say which.
std::string wire_of(const Descriptor* type, int number) {
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> message(factory.GetPrototype(type)->New());
  const google::protobuf::Reflection& fields = *message->GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->is_repeated() || field->containing_oneof() != nullptr) {
      continue;
    }
    if (field->type() == FieldDescriptor::TYPE_STRING) {
      fields.SetString(message.get(), field, field->name() + " " + std::to_string(number));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT64) {
      fields.SetInt64(message.get(), field, number);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
      fields.SetInt32(message.get(), field, number);
    }
  }
  return message->SerializeAsString();
}

// The samples' field of the event time, where it is one of the message's, gets a time.
void set_time(const EventTime& event_time, int number, std::string& json) {
  const std::string from = "\"" + event_time.from + "\":";
  const std::size_t at = json.find(from);
  if (at == std::string::npos) {
    return;
  }
  std::string time = std::to_string(kBeginning + number);
  if (event_time.format == TimeFormat::rfc3339 || event_time.format == TimeFormat::zoneless) {
    time = "\"2023-11-14T22:13:" + std::to_string(number + 10);
    time += event_time.format == TimeFormat::rfc3339 ? "Z\"" : "\"";
  }
  json.replace(at + from.size(), json.find_first_of(",}", at) - at - from.size(), time);
}

bool is_label(const std::string& reason) {
  return !reason.empty() && std::all_of(reason.begin(), reason.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Everything that a reader sees, offsets of dead letters included: inputs are the same in each run.
using Seen = std::vector<std::tuple<std::string, std::optional<std::string>,
                                    std::optional<std::string>, TextHeaders, std::int64_t>>;

class Conformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    Result<SimDeployment> loaded =
        SimDeployment::load({stages::WEIR_STAGE::spec(), ConfigFile{GetParam()}});
    ASSERT_TRUE(loaded.is_ok()) << loaded.status().message();
    deployment_ = std::make_unique<SimDeployment>(std::move(loaded).value());
  }

  std::string value_of(std::size_t input, int number) const {
    const InputFormat& format = deployment_->plan.formats[input];
    std::string value = format.descriptor == nullptr ? "" : wire_of(format.descriptor, number);
    if (format.form == InputFormat::Form::json) {
      if (format.descriptor != nullptr) {
        value = JsonPrinter(format.descriptor).print(value).value();
        if (format.options.event_time) {
          set_time(*format.options.event_time, number, value);
        }
        return value;
      }
      std::string fields;
      for (const std::string& name : format.options.key) {
        fields += (fields.empty() ? "\"" : ",\"") + name + "\":\"" + std::to_string(number) + "\"";
      }
      return "{" + fields + "}";
    }
    return value.empty() ? "value " + std::to_string(number) : value;
  }

  // Every third record is the one before again.
  void pipe(SimWorld& world, int from, int to) const {
    for (std::size_t input = 0; input < deployment_->plan.input_topics.size(); ++input) {
      for (int i = from; i < to; ++i) {
        const int number = i % 3 == 2 ? i - 1 : i;
        world.kafka().append(deployment_->plan.input_topics[input], number % 2,
                             {"key " + std::to_string(number),
                              value_of(input, number),
                              {{"trace", std::to_string(i)}},
                              Timestamp(kBeginning + i)});
      }
    }
  }

  SimWorld world(SimFaults faults = {}) const {
    return SimWorld(std::span(deployment_.get(), 1),
                    {.partitions = 2, .batch_records_max = 7, .faults = std::move(faults)});
  }

  Seen seen(const SimWorld& world) const {
    Seen seen;
    for (const std::string& topic : deployment_->plan.output_topics) {
      for (std::int32_t p = 0; p < world.kafka().partitions(topic); ++p) {
        for (const auto& [offset, record] : world.kafka().read(topic, p)) {
          seen.emplace_back(topic + "-" + std::to_string(p), record.key, record.value,
                            record.headers, record.timestamp.value());
        }
      }
    }
    // Between several inputs there is no order, nor between partitions that meet under a new key.
    const std::vector<OutputPort>& ports = deployment_->plan.settings.outputs;
    if (deployment_->plan.input_topics.size() > 1 ||
        std::any_of(ports.begin(), ports.end(), [](const OutputPort& o) { return o.rekeys; })) {
      std::sort(seen.begin(), seen.end());
    }
    return seen;
  }

  // What comes of the records where nothing goes wrong.
  Seen expected() const {
    SimWorld calm = world();
    pipe(calm, 0, kRecords);
    const Status done = calm.run();
    EXPECT_TRUE(done.is_ok()) << done.message();
    const TurnCounts& turns = calm.counts(0).turns;
    EXPECT_EQ(turns.records_in, kRecords * deployment_->plan.input_topics.size());
    EXPECT_GT(turns.emitted + turns.dropped, 0U) << "the stage makes nothing of the samples";
    return seen(calm);
  }

  std::unique_ptr<SimDeployment> deployment_;
};

TEST_P(Conformance, ADrainLosesNothingAndDoublesNothing) {
  SimWorld drained = world();
  for (int i = 0; i < kRecords; ++i) {
    pipe(drained, i, i + 1);
    const Status done = drained.drain();
    ASSERT_TRUE(done.is_ok()) << done.message();
  }
  EXPECT_EQ(seen(drained), expected());
}

TEST_P(Conformance, ACrashAtAnyStepChangesNoOutput) {
  const Seen calm = expected();
  for (int step = 1;; ++step) {
    int left = step;
    SimWorld crashing = world([&left](std::string_view operation) {
      return fails_a_call(operation) && left > 0 && --left == 0
                 ? Status::stop(ExitCode::broken, kCrash)
                 : Status::ok();
    });
    pipe(crashing, 0, kRecords);
    Status done = crashing.run();
    if (left > 0) {
      EXPECT_GT(step, 5);
      break;  // there are no more steps
    }
    ASSERT_FALSE(done.is_ok());
    ASSERT_NE(done.message().find(kCrash), std::string::npos) << done.message();
    crashing.die();
    done = crashing.run();
    ASSERT_TRUE(done.is_ok()) << done.message();
    ASSERT_EQ(seen(crashing), calm) << "after a crash at step " << step;
  }
}

TEST_P(Conformance, AnAbortAtAnyStepChangesNoOutput) {
  const Seen calm = expected();
  for (int step = 1;; ++step) {
    int left = step;
    SimWorld aborting = world([&left](std::string_view operation) {
      const bool counts =
          operation == "send" || operation == "flush" || operation == "send_offsets";
      return counts && left > 0 && --left == 0 ? Status::abort("asked to") : Status::ok();
    });
    pipe(aborting, 0, kRecords);
    const Status done = aborting.run();
    ASSERT_TRUE(done.is_ok()) << done.message();
    ASSERT_EQ(seen(aborting), calm) << "after an abort at step " << step;
    if (left > 0) {
      EXPECT_GT(step, 3);
      break;
    }
  }
}

TEST_P(Conformance, ARedeliveryAndALostDiskChangeNoOutput) {
  int polls = 0;
  SimWorld again = world([&polls](std::string_view operation) {
    return operation == "redeliver" && ++polls % 2 == 0 ? Status::abort("again") : Status::ok();
  });
  for (int i = 0; i < kRecords; i += 10) {
    pipe(again, i, i + 10);
    Status done = i % 20 == 0 ? again.crash() : again.run();
    ASSERT_TRUE(done.is_ok()) << done.message();
    again.die();
    again.lose_disks();
  }
  const Status done = again.run();
  ASSERT_TRUE(done.is_ok()) << done.message();
  EXPECT_EQ(seen(again), expected());
}

TEST_P(Conformance, PoisonHasOneOutcomeAndWhatFollowsIsProcessed) {
  const std::vector<std::optional<std::string>> poison = {
      std::nullopt,
      "",
      "\xFF\xFE garbage \x01",
      std::string(1, '\0'),
      std::string(1'000'000, '['),
      "{\"a\":" + std::string(100'000, '{'),
      std::string(std::size_t{11} << 20, 'x'),
      "{\"a\": 1",
      "[1, 2]",
  };
  SimWorld poisoned = world();
  for (std::size_t input = 0; input < deployment_->plan.input_topics.size(); ++input) {
    for (const auto& value : poison) {
      poisoned.kafka().append(deployment_->plan.input_topics[input], 0,
                              {std::nullopt, value, {}, Timestamp(-1)});
    }
  }
  pipe(poisoned, 0, kRecords);
  const Status done = poisoned.run();
  ASSERT_TRUE(done.is_ok()) << done.message();
  const std::uint64_t inputs = deployment_->plan.input_topics.size();
  const TurnCounts& turns = poisoned.counts(0).turns;
  EXPECT_EQ(turns.records_in, inputs * (poison.size() + kRecords));
  EXPECT_EQ(turns.records_in,
            turns.emitted + turns.duplicates + turns.dropped + turns.dead_letters);
  // A tombstone and eleven megabytes are nobody's record.
  EXPECT_GE(turns.dead_letters, 2 * inputs);
  const bool all_json =
      std::all_of(deployment_->plan.formats.begin(), deployment_->plan.formats.end(),
                  [](const InputFormat& format) { return format.form == InputFormat::Form::json; });
  if (all_json) {
    EXPECT_GE(turns.dead_letters, inputs * poison.size());
  }
}

TEST_P(Conformance, TheSameRecordsGiveTheSameOutputsInBatchesOfAnySizeAndReasonsAreLabels) {
  PipelineDriver driver({{stages::WEIR_STAGE::spec(), ConfigFile{GetParam()}}});
  for (int i = 0; i < kRecords; ++i) {
    for (std::size_t input = 0; input < deployment_->plan.input_topics.size(); ++input) {
      driver.pipe(deployment_->plan.input_topics[input], value_of(input, i / 2));
      driver.pipe(deployment_->plan.input_topics[input], "poison");
    }
  }
  EXPECT_NO_THROW(driver.run());
  for (const DeadLettered& letter : driver.dead_letters()) {
    EXPECT_TRUE(is_label(letter.reason)) << letter.reason;
  }
  for (const auto& [reason, count] : driver.counts().dropped) {
    EXPECT_TRUE(is_label(reason)) << reason;
  }
}

// A stage without a file in config/ is held to nothing: that is for the author to see.
INSTANTIATE_TEST_SUITE_P(Config, Conformance, testing::ValuesIn(config_files()),
                         [](const auto& param) {
                           std::string name = std::filesystem::path(param.param).stem().string();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace weir
