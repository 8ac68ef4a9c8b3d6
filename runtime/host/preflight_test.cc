#include "host/preflight.h"

#include <chrono>
#include <filesystem>
#include <map>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr std::int64_t kDay = 86'400'000;

TEST(Preflight, WhatIsWrongAtOnceIsSaidAtOnceAndTheFirstIsTheExitCode) {
  const Status refused =
      together({Status::ok(), Status::stop(ExitCode::disk, "no folder"), Status::ok(),
                Status::stop(ExitCode::config, "no model\nno window")});
  EXPECT_EQ(refused.exit_code(), ExitCode::disk);
  EXPECT_EQ(refused.message(), "no folder\nno model\nno window");
  EXPECT_TRUE(together({Status::ok(), Status::ok()}).is_ok());
}

TEST(Preflight, AnOffsetIsTrustedOfAnInputWithoutDedupOnly) {
  config::Loaded loaded = config::load_text(
      "{stage: join, inputs: {a: {topic: raw.a, dedup: off}, b: {topic: raw.b, dedup: {key: [id], "
      "window: 24h}}, c: {topic: raw.c, dedup: {key: [id], window: off}}}, "
      "outputs: {out: {dataset: x}}}",
      "join.yaml", {});
  ASSERT_TRUE(loaded.deployment) << loaded.status().message();
  const auto said = [&](const std::string& topic) {
    return check_trusted_offsets(*loaded.deployment, {{{topic, 1}, NextOffset(2)}});
  };
  EXPECT_TRUE(said("raw.a").is_ok());
  EXPECT_TRUE(said("raw.c").is_ok());
  EXPECT_EQ(said("raw.x").exit_code(), ExitCode::usage);
  EXPECT_EQ(said("raw.x").message(), "--trust-offset raw.x/1=2: join reads raw.a, raw.b, raw.c");
  EXPECT_THAT(said("raw.b").message(), HasSubstr("deploy a new version"));
}

TEST(Preflight, ADerivedTopicThatForgetsBeforeItsInputIsRefusedWithTheCommandThatMendsIt) {
  const Status refused =
      check_retention("comments.v1", 7 * kDay, "raw.comments", std::nullopt, "b:1");
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.exit_code(), ExitCode::config);
  EXPECT_THAT(refused.message(), HasSubstr("keeps records for 7d, its input"));
  EXPECT_THAT(refused.message(), HasSubstr("a replay would be deleted as it is written"));
  EXPECT_THAT(refused.message(),
              EndsWith("Mend it with: kafka-configs.sh --bootstrap-server b:1 --alter "
                       "--entity-type topics --entity-name comments.v1 "
                       "--add-config retention.ms=-1"));
  EXPECT_FALSE(check_retention("out", kDay - 1, "in", kDay, "").is_ok());
}

TEST(Preflight, ADerivedTopicMayKeepAsLongAsItsInputOrLonger) {
  EXPECT_TRUE(check_retention("out", kDay, "in", kDay, "").is_ok());
  EXPECT_TRUE(check_retention("out", 2 * kDay, "in", kDay, "").is_ok());
  EXPECT_TRUE(check_retention("out", std::nullopt, "in", kDay, "").is_ok());
  EXPECT_TRUE(check_retention("out", std::nullopt, "in", std::nullopt, "").is_ok());
}

enum class Output { derived, root };

// What a stage says to its raw topic. No window: dedup is off.
Status check(std::optional<std::chrono::milliseconds> window, Output output,
             std::map<std::string, std::string> configs, int version = 0) {
  config::Input input;
  input.topic = "raw.x";
  input.version = version;
  if (window) {
    input.dedup.emplace();
    input.dedup->window = window;
    input.dedup->buckets = 4;
  }
  config::Deployment deployment;
  deployment.outputs.resize(1);
  deployment.outputs[0].root = output == Output::root;
  return check_input_topic(deployment, input, {1, 1, std::move(configs)}, "b:1");
}

std::map<std::string, std::string> ahead_by(std::int64_t ms_max) {
  return {{"message.timestamp.type", "CreateTime"},
          {"message.timestamp.after.max.ms", std::to_string(ms_max)}};
}

const std::map<std::string, std::string> kAheadAtWill{{"message.timestamp.type", "CreateTime"}};
const std::map<std::string, std::string> kBrokersClock{{"message.timestamp.type", "LogAppendTime"}};
constexpr std::int64_t kHour = kDay / 24;
constexpr std::chrono::hours kWindow(24);

TEST(Preflight, ProducersClocksMayGoAheadOfTheBrokersByABucket) {
  for (const Output output : {Output::derived, Output::root}) {
    EXPECT_TRUE(check(kWindow, output, ahead_by(6 * kHour)).is_ok());
    const Status refused = check(kWindow, output, ahead_by(6 * kHour + 1));
    EXPECT_EQ(refused.exit_code(), ExitCode::config);
    EXPECT_THAT(refused.message(), HasSubstr("message.timestamp.after.max.ms=21600000"));
    EXPECT_THAT(refused.message(), HasSubstr("begin behind it, with a new version and `start: "));
    EXPECT_TRUE(check(kWindow, output, kBrokersClock).is_ok());
  }
}

// A wrong clock would reach the window of whoever reads what the stage writes.
TEST(Preflight, WithoutAWindowProducersClocksMayGoAheadByAnHour) {
  EXPECT_TRUE(check(std::nullopt, Output::derived, ahead_by(kHour)).is_ok());
  EXPECT_THAT(check(std::nullopt, Output::derived, ahead_by(24 * kHour)).message(),
              HasSubstr("timestamps, up to 24h ahead of the broker's clock"));
  const Status refused = check(std::nullopt, Output::derived, ahead_by(kHour + 1));
  EXPECT_EQ(refused.exit_code(), ExitCode::config);
  EXPECT_THAT(refused.message(),
              HasSubstr("--bootstrap-server b:1 --alter --entity-type topics --entity-name raw.x"));
  EXPECT_THAT(refused.message(), HasSubstr("message.timestamp.after.max.ms=3600000"));
  EXPECT_FALSE(check(std::nullopt, Output::derived, kAheadAtWill).is_ok());
  EXPECT_TRUE(check(std::nullopt, Output::derived, kBrokersClock).is_ok());
}

TEST(Preflight, ProducersClocksAreTrustedWhereNothingIsRememberedAndOutputsHaveTheirOwn) {
  EXPECT_TRUE(check(std::nullopt, Output::root, kAheadAtWill).is_ok());
}

TEST(Preflight, ATopicThatWeirWroteCarriesTheClockOfItsRoot) {
  EXPECT_TRUE(check(kWindow, Output::derived, kAheadAtWill, 1).is_ok());
}

Result<std::vector<std::string>> no_topics() {
  return std::vector<std::string>();
}

// raw.x into x.v1, with the dead letters x.dead_letters.v1; `topics` are what the cluster has.
Status check_all(const std::map<std::string, TopicDescription>& topics,
                 Output output = Output::derived) {
  config::Deployment deployment;
  deployment.id = "ingest-x";
  deployment.file = "ingest-x.yaml";
  deployment.inputs.resize(1);
  deployment.inputs[0].topic = "raw.x";
  deployment.outputs.resize(1);
  LanePlan plan;
  plan.input_topics = {"raw.x"};
  plan.output_topics = {"x.v1", "x.dead_letters.v1"};
  plan.settings.outputs.resize(1);
  plan.settings.outputs[0].rekeys = output == Output::root;
  return check_topics(
      deployment, plan, "b:1",
      [&](const std::string& name) -> Result<std::optional<TopicDescription>> {
        const auto found = topics.find(name);
        return found == topics.end() ? std::nullopt : std::optional(found->second);
      },
      no_topics);
}

TopicDescription with(std::int32_t partitions,
                      std::map<std::string, std::string> configs = kBrokersClock) {
  return {partitions, 1, std::move(configs)};
}

TopicDescription derived(std::int32_t partitions) {
  return with(partitions, {{"message.timestamp.type", "CreateTime"}});
}

TEST(Preflight, AllThatIsWrongIsSaidAtOnceOneALine) {
  const Status refused =
      check_all({{"raw.x", with(4, kAheadAtWill)}, {"x.dead_letters.v1", derived(3)}});
  EXPECT_EQ(refused.exit_code(), ExitCode::config);
  EXPECT_THAT(
      refused.message(),
      MatchesRegex("topic x.v1 doesn't exist. If it was there before, [^\n]+ raise `version:` "
                   "first. [^\n]+ with: ops/weir topics apply ingest-x.yaml\n"
                   "topic raw.x takes its producers' timestamps[^\n]+\n"
                   "topic x.dead_letters.v1 has 3 partitions[^\n]+"));
  EXPECT_TRUE(
      check_all({{"raw.x", with(4)}, {"x.v1", derived(4)}, {"x.dead_letters.v1", derived(4)}})
          .is_ok());
}

// Tests run in the checkout's root.
TEST(Preflight, TheCommandThatCreatesTopicsCanBeTypedWhereTheStageWasStarted) {
  const std::filesystem::path checkout = std::filesystem::current_path();
  EXPECT_THAT(check_all({}).message(), HasSubstr("with: ops/weir topics apply ingest-x.yaml"));
  std::filesystem::current_path(std::filesystem::temp_directory_path());
  EXPECT_THAT(check_all({}).message(), HasSubstr("with: weir topics apply ingest-x.yaml"));
  std::filesystem::current_path(checkout);
}

TEST(Preflight, AnOutputThatForgetsByKeyOrStampsAnewIsRefused) {
  EXPECT_THAT(check_all({{"raw.x", with(4)},
                         {"x.v1", with(4, {{"message.timestamp.type", "CreateTime"},
                                           {"cleanup.policy", "compact,delete"}})},
                         {"x.dead_letters.v1", with(4)}})
                  .message(),
              MatchesRegex("topic x.v1 is compacted[^\n]+--bootstrap-server b:1 [^\n]+\n"
                           "topic x.dead_letters.v1 carries the broker's clock[^\n]+"
                           "--bootstrap-server b:1 [^\n]+"));
}

TEST(Preflight, AnOutputThatForgetsBeforeItsInputIsRefused) {
  TopicDescription week = derived(4);
  week.configs["retention.ms"] = std::to_string(7 * kDay);
  EXPECT_THAT(
      check_all({{"raw.x", with(4)}, {"x.v1", week}, {"x.dead_letters.v1", derived(4)}}).message(),
      HasSubstr("topic x.v1 keeps records for 7d, its input raw.x without a limit"));
}

TEST(Preflight, ARootHasTheBrokersClockAndPartitionsOfItsOwn) {
  const auto check_root = [](const TopicDescription& root) {
    return check_all({{"raw.x", with(4)}, {"x.v1", root}, {"x.dead_letters.v1", derived(4)}},
                     Output::root);
  };
  EXPECT_TRUE(check_root(with(6)).is_ok());
  EXPECT_THAT(check_root(derived(6)).message(),
              MatchesRegex("topic x.v1 is a new root[^\n]+--bootstrap-server b:1 "
                           "[^\n]+--entity-name x.v1 --add-config "
                           "message.timestamp.type=LogAppendTime[^\n]+"));
}

// The inputs raw.comments and comments.v2, where there is nothing but what `list` tells.
std::string said_without_inputs(const ListTopics& list) {
  config::Deployment deployment;
  deployment.inputs.resize(2);
  deployment.inputs[0].topic = "raw.comments";
  deployment.inputs[1].name = "comments";
  deployment.inputs[1].topic = "comments.v2";
  deployment.inputs[1].dataset = "comments";
  deployment.inputs[1].version = 2;
  const auto describe = [](const std::string&) { return std::optional<TopicDescription>(); };
  return check_topics(deployment, LanePlan(), "b:1", describe, list).message();
}

TEST(Preflight, AMissingInputIsLookedForWhereItComesFrom) {
  for (const ListTopics& list :
       {ListTopics(no_topics), ListTopics([] { return Status::retry("silent"); })}) {
    EXPECT_THAT(
        said_without_inputs(list),
        MatchesRegex("topic raw.comments doesn't exist; is the name right. If it is meant to "
                     "be new, create [^\n]+ with: ops/weir topics apply \n"
                     "topic comments.v2 [^\n]+is `version` of inputs.comments right."));
  }
}

TEST(Preflight, OfAMissingInputItIsSaidWhatWasMeant) {
  EXPECT_THAT(said_without_inputs([] {
                return std::vector<std::string>{"raw.coments", "comments.v1"};
              }),
              MatchesRegex("topic raw.comments doesn't exist; did you mean \"raw.coments\". If "
                           "it is meant to be new, create [^\n]+ with: ops/weir topics apply \n"
                           "topic comments.v2 [^\n]+is `version` of inputs.comments right; did you "
                           "mean \"comments.v1\"."));
}

TEST(Preflight, ABrokerThatDoesNotAnswerIsNoProblemOfTheTopics) {
  config::Deployment deployment;
  deployment.inputs.resize(2);
  deployment.inputs[0].topic = "raw.x";
  deployment.inputs[1].topic = "raw.y";
  const auto describe = [](const std::string& name) {
    return name == "raw.x" ? Result<std::optional<TopicDescription>>(std::nullopt)
                           : Status::retry("silent");
  };
  const Status failed = check_topics(deployment, LanePlan(), "b:1", describe, no_topics);
  EXPECT_EQ(failed.remedy(), Remedy::retry);
  EXPECT_EQ(failed.message(), "silent");
}

TEST(Preflight, OfDifferentPartitionCountsTheOneThatStandsAloneIsBlamed) {
  const std::string input_changed =
      check_all({{"raw.x", with(8)}, {"x.v1", derived(4)}, {"x.dead_letters.v1", derived(4)}})
          .message();
  EXPECT_THAT(input_changed, HasSubstr("topic raw.x has 8 partitions, but all that follow it have "
                                       "4 (x.v1, x.dead_letters.v1): its number was changed"));
  EXPECT_THAT(input_changed, HasSubstr("raise `version:` in ingest-x.yaml"));
  const std::string output_changed =
      check_all({{"raw.x", with(4)}, {"x.v1", derived(8)}, {"x.dead_letters.v1", derived(4)}})
          .message();
  EXPECT_THAT(output_changed, HasSubstr("topic x.v1 has 8 partitions, but its input raw.x has 4"));
  EXPECT_THAT(output_changed, HasSubstr("so x.v1 was created or changed by itself"));
  EXPECT_THAT(output_changed, Not(HasSubstr("\n")));
  const std::string unclear =
      check_all({{"raw.x", with(8)}, {"x.v1", derived(4)}, {"x.dead_letters.v1", derived(6)}})
          .message();
  EXPECT_THAT(unclear, HasSubstr("which of them was changed can't be told"));
}

// Sixty seconds were 65.
TEST(Preflight, SilentBrokersAreWaitedForAsLongAsWasSaid) {
  using std::chrono::milliseconds;
  constexpr milliseconds kRequest(5000);
  for (const int silence_ms_max : {5'000, 6'500, 10'000, 60'000}) {
    milliseconds passed = kRequest;  // the first attempt
    while (const auto next = next_attempt(milliseconds(silence_ms_max) - passed, kRequest)) {
      EXPECT_GE(next->request_wait_max.count(), 1000);
      EXPECT_LE(next->request_wait_max, kRequest);
      EXPECT_LE(next->pause.count(), 1000);
      passed += next->pause + next->request_wait_max;
    }
    EXPECT_EQ(passed.count(), silence_ms_max);
  }
  EXPECT_FALSE(next_attempt(milliseconds(0) - kRequest, kRequest));
  EXPECT_EQ(next_attempt(milliseconds(1), kRequest)->request_wait_max.count(), 1000);
}

}  // namespace
}  // namespace weir
