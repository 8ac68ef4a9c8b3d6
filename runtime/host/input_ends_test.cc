#include "host/input_ends.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/sim_kafka.h"

namespace weir {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InputEndsTest : public ::testing::Test {
 protected:
  InputEndsTest() {
    kafka_.create_topic("in", {.partitions = 2});
    kafka_.create_topic("out");
    append(0, 1000);
    append(0, 2000);
    append(1, 1000);
    commit(0, 0);
    commit(1, 1);
  }

  void append(std::int32_t partition, std::int64_t timestamp) {
    SimRecord record;
    record.value = "a";
    record.timestamp = Timestamp(timestamp);
    kafka_.append("in", partition, std::move(record));
  }

  void commit(std::int32_t partition, std::int64_t next) {
    kafka_.set_committed("g", "in", partition, NextOffset(next), "");
  }

  InputEnds ends(std::optional<Timestamp> until = std::nullopt) {
    InputEnds ends({"in"}, 1, until, kafka_.source("g", {"in", "out"}));
    EXPECT_TRUE(ends.look().is_ok());
    return ends;
  }

  SimKafka kafka_;
};

TEST_F(InputEndsTest, APartitionIsUndoneUntilTheGroupCommittedAllThatItHeldAtFirst) {
  InputEnds ends = this->ends();
  EXPECT_THAT(ends.undone({}).value(), ElementsAre("in/0"));
  append(0, 3000);
  commit(0, 1);
  EXPECT_THAT(ends.undone({}).value(), ElementsAre("in/0"));
  commit(0, 2);
  EXPECT_THAT(ends.undone({}).value(), IsEmpty());
}

// A lane that was just given it is named as its owner, and at the end of what it had before.
TEST_F(InputEndsTest, APartitionOfALaneIsUndoneUntilThatCommittedAsMuch) {
  InputEnds ends = this->ends();
  LaneStatus lane;
  lane.partitions.push_back({"i", "in", Partition(0), PartitionPhase::running, NextOffset(1)});
  EXPECT_THAT(ends.undone({lane}).value(), ElementsAre("in/0"));
  lane.partitions[0].committed = NextOffset(2);
  EXPECT_THAT(ends.undone({lane}).value(), IsEmpty()) << "it knows, whatever the brokers say";
}

TEST_F(InputEndsTest, APartitionOfALaneIsThatOfItsInputAlone) {
  kafka_.create_topic("other");
  kafka_.append("other", 0, {});
  InputEnds ends({"in", "other"}, 0, std::nullopt, kafka_.source("g", {"in", "other"}));
  ASSERT_TRUE(ends.look().is_ok());
  LaneStatus lane;
  lane.partitions.push_back({"i", "in", Partition(0), PartitionPhase::running, NextOffset(2)});
  EXPECT_THAT(ends.undone({lane}).value(), ElementsAre("other/0"));
}

TEST_F(InputEndsTest, WithoutAnOffsetItIsUndone) {
  kafka_.forget_committed("g");
  EXPECT_THAT(ends().undone({}).value(), ElementsAre("in/0", "in/1"));
}

TEST_F(InputEndsTest, WhatIsStampedLaterThanUntilDoesNotCount) {
  commit(0, 1);
  EXPECT_THAT(ends(Timestamp(2000)).undone({}).value(), IsEmpty());
  EXPECT_THAT(ends(Timestamp(2001)).undone({}).value(), ElementsAre("in/0"));
}

// The batch waited for ever for records that nobody would write.
TEST_F(InputEndsTest, AnEndThatTheLogNoLongerReachesIsAnError) {
  InputEnds ends = this->ends();
  kafka_.recreate_topic("in");
  append(0, 3000);
  commit(0, 1);
  const auto undone = ends.undone({});
  ASSERT_FALSE(undone.is_ok());
  EXPECT_EQ(undone.status().exit_code(), ExitCode::bad_input);
  EXPECT_THAT(undone.status().message(),
              HasSubstr("in/0 ends at 1 now, and reached to 2 when this run began"));
}

// The batch ended well without what was there, and committed, behind it.
TEST_F(InputEndsTest, WhatAnOpenTransactionHidesIsUndoneUntilALaneIsBlockedByIt) {
  const auto other = kafka_.sink("other", {"in"}, "", {});
  OutRecord record;
  record.partition = Partition(0);
  record.timestamp = Timestamp(3000);
  ASSERT_TRUE(other->open().is_ok());
  ASSERT_TRUE(other->begin().is_ok());
  ASSERT_TRUE(other->send(std::span(&record, 1)).is_ok());
  ASSERT_TRUE(other->flush().is_ok());
  append(0, 3000);
  InputEnds ends = this->ends();
  InputEnds until = this->ends(Timestamp(4000));
  commit(0, 2);
  EXPECT_THAT(ends.undone({}).value(), ElementsAre("in/0"));
  EXPECT_THAT(until.undone({}).value(), ElementsAre("in/0"));

  LaneStatus lane;
  lane.partitions.push_back({"i", "in", Partition(0), PartitionPhase::running, NextOffset(2)});
  EXPECT_THAT(ends.undone({lane}).value(), ElementsAre("in/0"));
  lane.partitions[0].blocked_since = std::chrono::system_clock::time_point();
  const Status blocked = ends.undone({lane}).status();
  EXPECT_EQ(blocked.exit_code(), ExitCode::temporary);
  EXPECT_THAT(blocked.message(), HasSubstr("in/0 is done up to 2, where a transaction begins"));

  ASSERT_TRUE(other->abort().is_ok());
  commit(0, 4);
  EXPECT_THAT(ends.undone({}).value(), IsEmpty());
  lane.partitions[0].committed = NextOffset(4);
  EXPECT_THAT(ends.undone({lane}).value(), IsEmpty()) << "of a later one";
}

// The batch ended well: what it had written was gone, or what it had read wasn't the topic's.
TEST_F(InputEndsTest, ATopicThatWasCreatedAgainIsAnErrorAlsoWhereAllOfItIsDone) {
  commit(0, 2);
  for (const std::string topic : {"out", "in"}) {
    InputEnds ends = this->ends();
    EXPECT_THAT(ends.undone({}).value(), IsEmpty());
    kafka_.recreate_topic(topic);
    if (topic == "in") {
      append(0, 3000);
      append(0, 3000);
    }
    const Status done = ends.undone({}).status();
    EXPECT_EQ(done.exit_code(), ExitCode::bad_input);
    EXPECT_THAT(done.message(), HasSubstr("topic " + topic + " was deleted and created again"));
  }
}

TEST_F(InputEndsTest, ABrokerThatDoesNotAnswerIsAskedAgain) {
  bool is_silent = true;
  InputEnds ends({"in"}, 0, std::nullopt, kafka_.source("g", {"in"}, [&](std::string_view) {
    return is_silent ? Status::retry("silence") : Status::ok();
  }));
  EXPECT_EQ(ends.look().remedy(), Remedy::retry);
  is_silent = false;
  ASSERT_TRUE(ends.look().is_ok());
  EXPECT_THAT(ends.undone({}).value(), ElementsAre("in/0"));
}

// A look at many partitions took as long as all its questions together, whoever waited for it.
TEST_F(InputEndsTest, ALookEndsBetweenTwoPartitionsWhereItsAskerSaysSo) {
  InputEnds ends({"in"}, 0, std::nullopt, kafka_.source("g", {"in", "out"}));
  int asked = 0;
  EXPECT_EQ(ends.look([&] { return ++asked < 2; }).remedy(), Remedy::retry);
  EXPECT_EQ(asked, 2);
}

}  // namespace
}  // namespace weir
