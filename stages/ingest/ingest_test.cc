#include <unistd.h>

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/cases.h"
#include "testing/stage_driver.h"

namespace stages::ingest {

weir::StageSpec spec();

namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr const char* kNewSource = R"(
name: sensors
proto: [PROTO]
inputs:
  events: {topic: raw.sensors, message: sensors.v1.Reading, dedup: {key: [id], window: 1h}}
outputs:
  events: {dataset: sensors}
)";

TEST(Ingest, CommentsPassTheirCases) {
  weir::run_cases(spec(), "config/ingest-comments.yaml", "stages/ingest/cases/comments");
}

TEST(Ingest, EditsPassTheirCases) {
  weir::run_cases(spec(), "config/ingest-edits.yaml", "stages/ingest/cases/edits");
}

TEST(Ingest, ANewSourceIsAProtoFileAndAConfiguration) {
  const std::string folder =
      ::testing::TempDir() + "ingest_new_source_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/sensors.proto") << R"(syntax = "proto3"; package sensors.v1;
message Reading { string id = 1; double celsius = 2; })";
  std::string config = kNewSource;
  config.replace(config.find("PROTO"), 5, folder);
  weir::StageDriver driver(spec(), config);
  driver.pipe("events", R"({"id": "a", "celsius": 21.5})");
  driver.pipe("events", R"({"id": "a", "celsius": 21.5})");
  EXPECT_THAT(driver.read_json("events"), ElementsAre(R"({"id":"a","celsius":21.5})"));
}

TEST(Ingest, KeyHeadersTimestampAndPartitionAreTheInputs) {
  weir::StageDriver driver(spec(), weir::ConfigFile{"config/ingest-comments.yaml"}, 3);
  driver.pipe("events", {.key = "k",
                         .value = R"({"comment_id": "a", "date": "2013-11-07T06:20:48"})",
                         .headers = {{"trace", "t1"}, {"weir-x", "ours"}, {"none", std::nullopt}},
                         .timestamp = weir::Timestamp(1'700'000'000'123),
                         .partition = weir::Partition(2)});
  const auto records = driver.read_records("comments");
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, "k");
  EXPECT_EQ(records[0].partition, weir::Partition(2));
  EXPECT_EQ(records[0].timestamp, weir::Timestamp(1'700'000'000'123));
  EXPECT_EQ(records[0].headers, (weir::TextHeaders{{"trace", "t1"}, {"none", std::nullopt}}));
}

TEST(Ingest, AConfigurationThatIsWrongSaysWhere) {
  try {
    weir::StageDriver driver(spec(), "inputs: {evnts: {}}\noutputs: {events: {dataset: x}}");
    FAIL();
  } catch (const weir::TestFailure& failure) {
    EXPECT_THAT(failure.what(), ::testing::HasSubstr("1:10"));
    EXPECT_THAT(failure.what(), ::testing::HasSubstr("evnts"));
  }
}

}  // namespace
}  // namespace stages::ingest
