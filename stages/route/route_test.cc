#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/stage_driver.h"

namespace stages::route {

weir::StageSpec spec();

namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kOneField = R"(
inputs:
  events: {topic: raw.things, dedup: {key: [id], window: off}}
outputs:
  events: {dataset: routed, root: true}
)";

constexpr const char* kThreeFields = R"(
inputs:
  events: {topic: raw.things, dedup: {key: [user, page, at], window: off}}
outputs:
  events: {dataset: routed, root: true}
)";

constexpr const char* kKeyMayBeMissing = R"(
inputs:
  events: {topic: raw.things, dedup: {key: [id], window: off, on_missing_key: pass}}
outputs:
  events: {dataset: routed, root: true}
)";

TEST(Route, AValueLeavesUntouchedUnderTheTextOfItsKey) {
  weir::StageDriver driver(spec(), kOneField);
  const std::string value = R"( {"x" : [1, 2.50],  "id":"\u00e9\"1"} )";
  driver.pipe("events", {.key = "another", .value = value, .headers = {{"trace", "t"}}});
  const auto records = driver.read_records("routed");
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, "\u00e9\"1");
  EXPECT_EQ(records[0].value, value);
  EXPECT_EQ(records[0].headers, (weir::TextHeaders{{"trace", "t"}}));
}

TEST(Route, SeveralFieldsAreJoinedAndNumbersStayAsWritten) {
  weir::StageDriver driver(spec(), kThreeFields);
  driver.pipe("events", R"({"at": 12345678901234567890123, "page": "a,b", "user": "u"})");
  const auto records = driver.read_records("routed");
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, "u,a,b,12345678901234567890123");
}

TEST(Route, WhatSharesAKafkaKeyIsNotTakenForTheSame) {
  weir::StageDriver driver(spec(), kOneField);
  driver.pipe("events", R"({"id": "1"})");
  driver.pipe("events", R"({"id": 1})");
  EXPECT_THAT(driver.read_records("routed"), SizeIs(2));
}

TEST(Route, RetriesAreLeftToTheNextStage) {
  weir::StageDriver driver(spec(), kOneField);
  driver.pipe("events", R"({"id": "a"})");
  driver.pipe("events", R"({"id": "a"})");
  EXPECT_THAT(driver.read_records("routed"), SizeIs(2));
}

TEST(Route, EqualKeysOfAllPartitionsMeetInOne) {
  weir::StageDriver driver(spec(), kOneField, 4);
  for (int partition = 0; partition < 4; ++partition) {
    driver.pipe("events", {.value = R"({"id": "a"})", .partition = weir::Partition(partition)});
  }
  const auto records = driver.read_records("routed");
  ASSERT_THAT(records, SizeIs(4));
  for (const weir::Arrived& record : records) {
    EXPECT_EQ(record.partition, records[0].partition);
  }
}

TEST(Route, ARecordWithoutAKeyIsSetAside) {
  weir::StageDriver driver(spec(), kOneField);
  driver.pipe("events", R"({"no": "id"})");
  EXPECT_THAT(driver.read_records("routed"), IsEmpty());
  EXPECT_THAT(driver.dead_letters(), SizeIs(1));
}

TEST(Route, OrPassesUnderAnEmptyOneWhereThatIsAsked) {
  weir::StageDriver driver(spec(), kKeyMayBeMissing);
  driver.pipe("events", {.key = "another", .value = R"({"no": "id"})"});
  const auto records = driver.read_records("routed");
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, "");
}

}  // namespace
}  // namespace stages::route
