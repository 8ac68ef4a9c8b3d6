#include "tool/topic_plan.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kAnyTime = "9223372036854775807";

config::Deployment deployment(const std::string& text) {
  config::Loaded loaded = config::load_text(text, "config/x.yaml", {});
  EXPECT_TRUE(loaded.status().is_ok()) << loaded.status().message();
  return loaded.deployment.value_or(config::Deployment{});
}

const config::Deployment kIngest = deployment(
    "{stage: ingest, inputs: {events: {topic: raw.x, dedup: {key: [id], window: 24h}}},"
    " outputs: {events: {dataset: x}}}");
const config::Deployment kSpam = deployment(
    "{stage: spam, inputs: {in: {dataset: x, version: 1, dedup: {window: 24h}}},"
    " outputs: {out: {dataset: x.classified}}}");

std::vector<PlannedTopic> plan(std::vector<config::Deployment> deployments,
                               const KnownTopics& existing = {}, const TopicWishes& wishes = {}) {
  Result<std::vector<PlannedTopic>> planned = plan_topics(deployments, existing, wishes);
  EXPECT_TRUE(planned.is_ok()) << planned.status().message();
  return planned.is_ok() ? std::move(planned).value() : std::vector<PlannedTopic>{};
}

const PlannedTopic& find(const std::vector<PlannedTopic>& topics, const std::string& name) {
  static const PlannedTopic none;
  for (const PlannedTopic& topic : topics) {
    if (topic.wanted.name == name) {
      return topic;
    }
  }
  ADD_FAILURE() << "no topic " << name;
  return none;
}

// As if created by what plan_topics wanted.
TopicDescription as_wanted(const PlannedTopic& topic) {
  return {topic.wanted.partitions, topic.wanted.replicas, topic.wanted.configs};
}

KnownTopics all_as_wanted(const std::vector<config::Deployment>& deployments) {
  KnownTopics existing;
  for (const PlannedTopic& topic : plan(deployments)) {
    existing[topic.wanted.name] = as_wanted(topic);
  }
  return existing;
}

TEST(TopicPlan, ARawTopicIsStampedByTheBrokerAndKeptForEver) {
  const auto topics = plan({kIngest});
  const NewTopic& raw = find(topics, "raw.x").wanted;
  EXPECT_EQ(raw.partitions, 4);
  EXPECT_EQ(raw.configs.at("message.timestamp.type"), "LogAppendTime");
  EXPECT_EQ(raw.configs.at("cleanup.policy"), "delete");
  EXPECT_EQ(raw.configs.at("retention.ms"), "-1");
}

// What reads raw.x, kept as `input` says, and writes `stage`'s dataset, kept as `output` says.
config::Deployment kept(const std::string& stage, const std::string& input,
                        const std::string& output) {
  return deployment("{stage: " + stage + ", inputs: {in: {topic: raw.x, dedup: off" +
                    (input.empty() ? "" : ", retention: " + input) +
                    "}}, outputs: {out: {dataset: " + stage +
                    (output.empty() ? "" : ", retention: " + output) + "}}}");
}

TEST(TopicPlan, ARawTopicIsLimitedInTimeOnlyWhenAskedAndThenByTheLongest) {
  const auto retention = [](const std::vector<PlannedTopic>& topics, const char* name) {
    return find(topics, name).wanted.configs.at("retention.ms");
  };
  const auto one = plan({kept("a", "1h", "")});
  EXPECT_EQ(retention(one, "raw.x"), "3600000");
  EXPECT_EQ(retention(one, "a.v1"), "3600000");
  for (const auto& [first, second, longest] :
       std::vector<std::array<const char*, 3>>{{"1h", "2h", "7200000"},
                                               {"2h", "1h", "7200000"},
                                               {"", "1h", "3600000"},
                                               {"forever", "1h", "-1"}}) {
    EXPECT_EQ(retention(plan({kept("a", first, ""), kept("b", second, "")}), "raw.x"), longest);
  }
}

TEST(TopicPlan, AnOutputIsKeptAsItsFileSaysButNoShorterThanItsInput) {
  for (const auto& [output, ms] : std::vector<std::pair<const char*, const char*>>{
           {"2h", "7200000"}, {"1h", "3600000"}, {"forever", "-1"}}) {
    const auto topics = plan({kept("a", "1h", output)});
    EXPECT_EQ(find(topics, "a.v1").wanted.configs.at("retention.ms"), ms);
    EXPECT_EQ(find(topics, "a.dead_letters.v1").wanted.configs.at("retention.ms"), "3600000");
  }
  const std::vector<config::Deployment> shorter{kept("a", "1h", "59m")};
  const auto planned = plan_topics(shorter, {}, {});
  EXPECT_EQ(planned.status().exit_code(), ExitCode::config);
  EXPECT_EQ(planned.status().message(),
            "config/x.yaml: outputs.out.retention: a.v1 would be kept for 59m, its input for 1h: a "
            "replay would be deleted as it is written");
  std::vector<config::Deployment> root = shorter;
  root[0].outputs[0].root = true;
  EXPECT_TRUE(plan_topics(root, {}, {}).is_ok()) << "a replay of it is as young as its writing";
  // What the input's topic is like counts, not what its file asks for.
  KnownTopics existing = all_as_wanted({kept("a", "", "")});
  existing.erase("a.v1");
  const std::vector<config::Deployment> hour{kept("a", "1h", "1h")};
  EXPECT_FALSE(plan_topics(hour, existing, {}).is_ok());
}

// It was "ok", and kept what somebody believed to be deleted.
TEST(TopicPlan, ATopicThatIsKeptForLongerThanItsFileSaysDiffersAndIsLivedWith) {
  const KnownTopics existing = all_as_wanted({kept("a", "", "")});
  const auto topics = plan({kept("a", "1h", "forever")}, existing);
  const PlannedTopic& raw = find(topics, "raw.x");
  EXPECT_FALSE(raw.is_wrong());
  ASSERT_EQ(raw.differences.size(), 1);
  EXPECT_EQ(raw.differences[0].is, "-1");
  EXPECT_EQ(raw.differences[0].should, "3600000");
  EXPECT_EQ(raw.remedy("b:1"), "") << "no command that deletes records stands there to be typed";

  KnownTopics hour = all_as_wanted({kept("a", "1h", "")});
  hour["a.v1"].configs["retention.ms"] = "-1";
  EXPECT_THAT(find(plan({kept("a", "1h", "")}, hour), "a.v1").differences, IsEmpty());
  const auto said = plan({kept("a", "1h", "2h")}, hour);
  EXPECT_EQ(find(said, "a.v1").differences.size(), 1);
  EXPECT_FALSE(find(said, "a.v1").is_wrong());
}

TEST(TopicPlan, OutputsAndDeadLettersTakeAnyTimeAndFollowTheirInput) {
  KnownTopics existing = all_as_wanted({kIngest});
  existing.erase("x.v1");
  existing.erase("ingest.dead_letters.v1");
  existing["raw.x"].partitions = 7;
  existing["raw.x"].configs["retention.ms"] = "86400000";
  existing["raw.x"].configs["max.message.bytes"] = "5000000";
  const auto topics = plan({kIngest}, existing);
  for (const char* name : {"x.v1", "ingest.dead_letters.v1"}) {
    const NewTopic& topic = find(topics, name).wanted;
    EXPECT_EQ(topic.partitions, 7);
    EXPECT_EQ(topic.configs.at("message.timestamp.type"), "CreateTime");
    EXPECT_EQ(topic.configs.at("message.timestamp.before.max.ms"), kAnyTime);
    EXPECT_EQ(topic.configs.at("message.timestamp.after.max.ms"), kAnyTime);
    EXPECT_EQ(topic.configs.at("retention.ms"), "86400000");
  }
  EXPECT_EQ(find(topics, "x.v1").wanted.configs.at("max.message.bytes"), "5000000");
}

// A dead letter that is refused stops the stage, so its topic has room for a value that was
// compressed better than weir does: up to value_bytes_max (10 MiB), and the headers.
TEST(TopicPlan, DeadLettersHaveRoomForWhateverTheStageReads) {
  const auto room = [](const std::string& raw_limit) {
    KnownTopics existing = all_as_wanted({kIngest});
    existing.erase("ingest.dead_letters.v1");
    existing["raw.x"].configs["max.message.bytes"] = raw_limit;
    return find(plan({kIngest}, existing), "ingest.dead_letters.v1")
        .wanted.configs.at("max.message.bytes");
  };
  EXPECT_EQ(room("5000000"), std::to_string((10 << 20) + 65'536));
  EXPECT_EQ(room("50000000"), "50065536");
}

TEST(TopicPlan, OutputsOfSeveralInputsFollowTheLargestAndLongest) {
  const config::Deployment join = deployment(
      "{stage: join, inputs: {a: {topic: raw.a, dedup: off}, b: {topic: raw.b, dedup: off}},"
      " outputs: {out: {dataset: joined}}}");
  KnownTopics existing = all_as_wanted({join});
  existing.erase("joined.v1");
  existing["raw.a"].partitions = 2;
  existing["raw.a"].configs["retention.ms"] = "-1";
  existing["raw.a"].configs["retention.bytes"] = "70000";
  existing["raw.b"].partitions = 6;
  existing["raw.b"].configs["retention.ms"] = "1000";
  existing["raw.b"].configs["retention.bytes"] = "5000";
  existing.erase("join.dead_letters.v1");
  const auto topics = plan({join}, existing);
  EXPECT_EQ(find(topics, "joined.v1").wanted.partitions, 6);
  EXPECT_EQ(find(topics, "raw.a").partitions, 2);
  EXPECT_EQ(find(topics, "joined.v1").wanted.configs.at("retention.ms"), "-1");
  for (const char* name : {"joined.v1", "join.dead_letters.v1"}) {
    EXPECT_EQ(find(topics, name).wanted.configs.at("retention.bytes"), "70000") << name;
  }
  existing["raw.b"].configs["retention.bytes"] = "-1";
  EXPECT_EQ(find(plan({join}, existing), "joined.v1").wanted.configs.at("retention.bytes"), "-1");
}

TEST(TopicPlan, ReplicasNeedThreeBrokers) {
  TopicWishes wishes;
  for (wishes.brokers = 1; wishes.brokers < 3; ++wishes.brokers) {
    EXPECT_EQ(find(plan({kIngest}, {}, wishes), "x.v1").wanted.replicas, 1);
  }
  const auto topics = plan({kIngest}, {}, wishes);
  EXPECT_EQ(find(topics, "x.v1").wanted.replicas, 3);
  EXPECT_EQ(find(topics, "x.v1").wanted.configs.at("min.insync.replicas"), "2");
}

TEST(TopicPlan, FewerReplicasThanThereCouldBeAreSaidAndLivedWith) {
  TopicWishes wishes;
  wishes.brokers = 3;
  KnownTopics existing = all_as_wanted({kIngest});
  existing["ingest.dead_letters.v1"].replicas = 3;
  existing["ingest.dead_letters.v1"].configs["min.insync.replicas"] = "3";
  const auto topics = plan({kIngest}, existing, wishes);
  for (const char* name : {"raw.x", "x.v1"}) {
    const PlannedTopic& topic = find(topics, name);
    std::vector<std::string> said;
    for (const TopicDifference& difference : topic.differences) {
      said.push_back(difference.setting + " " + difference.is + " " + difference.should);
    }
    EXPECT_THAT(said, ElementsAre("replicas 1 3", "min.insync.replicas 1 2")) << name;
    EXPECT_FALSE(topic.is_wrong()) << name;
    EXPECT_THAT(topic.remedy("b:1"), EndsWith(" --add-config min.insync.replicas=2")) << name;
  }
  EXPECT_THAT(find(topics, "ingest.dead_letters.v1").differences, IsEmpty());
}

TEST(TopicPlan, ARootIsStampedAgainAndHasItsOwnPartitions) {
  TopicWishes wishes;
  wishes.partitions = 9;
  KnownTopics existing = all_as_wanted({kIngest});
  existing.erase("x.v1");
  config::Deployment route = kIngest;
  route.outputs[0].root = true;
  const auto topics = plan({route}, existing, wishes);
  EXPECT_EQ(find(topics, "x.v1").wanted.configs.at("message.timestamp.type"), "LogAppendTime");
  EXPECT_EQ(find(topics, "x.v1").wanted.partitions, 9);
  EXPECT_EQ(find(topics, "ingest.dead_letters.v1").wanted.partitions, 4);
}

TEST(TopicPlan, ATopicSaysWhoWritesAndWhoReadsIt) {
  const auto topics = plan({kSpam, kIngest});
  EXPECT_EQ(find(topics, "raw.x").writer, "");
  EXPECT_THAT(find(topics, "raw.x").readers, ElementsAre("ingest"));
  EXPECT_EQ(find(topics, "x.v1").writer, "ingest");
  EXPECT_THAT(find(topics, "x.v1").readers, ElementsAre("spam"));
  EXPECT_EQ(find(topics, "spam.dead_letters.v1").writer, "spam");
  EXPECT_THAT(find(topics, "spam.dead_letters.v1").readers, IsEmpty());
}

TEST(TopicPlan, ASlipIsInOnePartOfANameAndTheOthersAreTheSame) {
  const std::vector<std::string> existing{"raw.edits", "raw.comments", "comments", "eu.raw.votes"};
  EXPECT_EQ(slip_of("raw.coments", existing), "raw.comments");
  EXPECT_EQ(slip_of("rwa.comments", existing), "raw.comments");
  EXPECT_EQ(slip_of("eu.raw.vote", existing), "eu.raw.votes");
  for (const char* other :
       {"raw.votes", "raw.events", "us.raw.votes2", "au.raw.votes", "new.comments.eu"}) {
    EXPECT_EQ(slip_of(other, existing), "") << other;
  }
  const std::vector<std::string> counted{"tenant.a", "raw.x.v1", "orders.2024", "raw.votes1"};
  for (const char* other : {"tenant.b", "raw.x.v2", "orders.2025", "raw.votes2", "raw.votes"}) {
    EXPECT_EQ(slip_of(other, counted), "") << other;
  }
}

TEST(TopicPlan, FilesComeInAnyOrder) {
  const auto topics = plan({kSpam, kIngest});
  EXPECT_EQ(find(topics, "x.classified.v1").wanted.partitions, 4);
  EXPECT_LT(&find(topics, "x.v1"), &find(topics, "x.classified.v1"));
}

TEST(TopicPlan, AnInputThatNobodyWritesIsNamed) {
  const auto planned = plan_topics(std::span(&kSpam, 1), {}, {});
  ASSERT_FALSE(planned.is_ok());
  EXPECT_EQ(planned.status().exit_code(), ExitCode::config);
  EXPECT_THAT(planned.status().message(), HasSubstr("topic x.v1 doesn't exist"));
}

TEST(TopicPlan, AnInputThatExistsNeedsNoWriter) {
  KnownTopics existing = all_as_wanted({kIngest, kSpam});
  existing.erase("x.classified.v1");
  EXPECT_EQ(find(plan({kSpam}, existing), "x.classified.v1").wanted.partitions, 4);
}

TEST(TopicPlan, WhatWasCreatedSoDoesNotDiffer) {
  for (const PlannedTopic& topic : plan({kIngest, kSpam}, all_as_wanted({kIngest, kSpam}))) {
    EXPECT_TRUE(topic.exists);
    EXPECT_THAT(topic.differences, IsEmpty()) << topic.wanted.name;
    EXPECT_FALSE(topic.is_wrong());
    EXPECT_EQ(topic.remedy("b:1"), "");
  }
}

enum class Judged { fits, lived_with, wrong };

struct Change {
  std::string topic;
  std::string setting;
  std::string value;
  Judged judged;
};

class TopicChange : public testing::TestWithParam<Change> {};

TEST_P(TopicChange, IsSaidAndJudged) {
  const Change& change = GetParam();
  KnownTopics existing = all_as_wanted({kIngest});
  if (change.setting == "partitions") {
    existing[change.topic].partitions = std::stoi(change.value);
  } else {
    existing[change.topic].configs[change.setting] = change.value;
  }
  const auto topics = plan({kIngest}, existing);
  const PlannedTopic& topic = find(topics, change.topic);
  EXPECT_EQ(topic.is_wrong(), change.judged == Judged::wrong);
  EXPECT_EQ(topic.differences.empty(), change.judged == Judged::fits);
  if (topic.is_wrong()) {
    EXPECT_FALSE(topic.refusal.empty() && topic.remedy("b:1").empty());
  }
}

TEST(TopicPlan, TheRefusalOfAnInputNamesTheBrokersThatWereAsked) {
  KnownTopics existing = all_as_wanted({kIngest});
  existing["raw.x"].configs["message.timestamp.type"] = "CreateTime";
  TopicWishes wishes;
  wishes.bootstrap = "b:1";
  EXPECT_THAT(find(plan({kIngest}, existing, wishes), "raw.x").refusal,
              HasSubstr("kafka-configs.sh --bootstrap-server b:1 --alter"));
}

INSTANTIATE_TEST_SUITE_P(
    Topics, TopicChange,
    testing::Values(Change{"raw.x", "cleanup.policy", "compact", Judged::wrong},
                    Change{"raw.x", "message.timestamp.type", "CreateTime", Judged::wrong},
                    Change{"raw.x", "retention.ms", "1000", Judged::lived_with},
                    Change{"x.v1", "partitions", "5", Judged::wrong},
                    Change{"x.v1", "message.timestamp.type", "LogAppendTime", Judged::wrong},
                    Change{"x.v1", "message.timestamp.before.max.ms", "1000", Judged::wrong},
                    Change{"x.v1", "message.timestamp.after.max.ms", "3600000", Judged::wrong},
                    Change{"x.v1", "retention.ms", "604800000", Judged::wrong},
                    Change{"x.v1", "retention.bytes", "1000", Judged::wrong},
                    Change{"x.v1", "min.insync.replicas", "0", Judged::lived_with},
                    Change{"x.v1", "min.insync.replicas", "2", Judged::fits},
                    Change{"x.v1", "cleanup.policy", "compact", Judged::wrong},
                    Change{"x.v1", "max.message.bytes", "1000", Judged::wrong},
                    Change{"raw.x", "max.message.bytes", "1000", Judged::lived_with},
                    Change{"x.v1", "max.message.bytes", "9000000", Judged::fits},
                    Change{"ingest.dead_letters.v1", "max.message.bytes", "1048588", Judged::wrong},
                    Change{"ingest.dead_letters.v1", "partitions", "1", Judged::wrong}),
    [](const auto& test) {
      std::string name = test.param.topic + "_" + test.param.setting + "_" + test.param.value;
      std::replace_if(
          name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
      return name;
    });

TEST(TopicPlan, TheRemedyIsACommand) {
  KnownTopics existing = all_as_wanted({kIngest});
  existing["x.v1"].configs["retention.ms"] = "1000";
  existing["x.v1"].partitions = 2;
  const auto topics = plan({kIngest}, existing);
  EXPECT_EQ(
      find(topics, "x.v1").remedy("b:1"),
      "partitions can't be mended in place: raise `version` in the deployment's file, and the "
      "new version's topics are created alike; the others: kafka-configs.sh "
      "--bootstrap-server b:1 --alter --entity-type topics --entity-name x.v1 --add-config "
      "retention.ms=-1");
}

TEST(TopicPlan, TheRemedyOfALimitSaysWhatComesOfIt) {
  KnownTopics existing = all_as_wanted({kIngest});
  for (const auto& [name, comes_of_it] :
       {std::pair("x.v1", "1048588   # until then larger records become dead letters"),
        {"ingest.dead_letters.v1", "   # until then a larger dead letter stops the stage"},
        {"raw.x", "max.message.bytes=1048588"}}) {
    existing[name].configs["max.message.bytes"] = "1000";
    EXPECT_THAT(find(plan({kIngest}, existing), name).remedy("b:1"), EndsWith(comes_of_it));
  }
}

}  // namespace
}  // namespace weir
