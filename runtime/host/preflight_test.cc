#include "host/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kDay = 86'400'000;

TEST(Preflight, ADerivedTopicThatForgetsBeforeItsInputIsRefusedWithTheCommandThatMendsIt) {
  const Status refused = check_retention("comments.v1", 7 * kDay, "raw.comments", std::nullopt);
  ASSERT_FALSE(refused.is_ok());
  EXPECT_EQ(refused.exit_code(), ExitCode::config);
  EXPECT_THAT(refused.message(), HasSubstr("a replay would be deleted as it is written"));
  EXPECT_THAT(refused.message(), HasSubstr("--entity-name comments.v1"));
  EXPECT_THAT(refused.message(), HasSubstr("retention.ms=-1"));
  EXPECT_FALSE(check_retention("out", kDay - 1, "in", kDay).is_ok());
}

TEST(Preflight, ADerivedTopicMayKeepAsLongAsItsInputOrLonger) {
  EXPECT_TRUE(check_retention("out", kDay, "in", kDay).is_ok());
  EXPECT_TRUE(check_retention("out", 2 * kDay, "in", kDay).is_ok());
  EXPECT_TRUE(check_retention("out", std::nullopt, "in", kDay).is_ok());
  EXPECT_TRUE(check_retention("out", std::nullopt, "in", std::nullopt).is_ok());
}

config::Input input(std::optional<std::chrono::milliseconds> window) {
  config::Input made;
  made.topic = "raw.x";
  made.dedup.emplace();
  made.dedup->key = {"id"};
  made.dedup->window = window;
  made.dedup->buckets = 4;
  return made;
}

TEST(Preflight, ProducersClocksAreTrustedWhereNothingIsRemembered) {
  const TopicDescription unstamped{1, 1, {{"message.timestamp.type", "CreateTime"}}};
  EXPECT_FALSE(check_input_topic(input(std::chrono::hours(24)), unstamped).is_ok());
  EXPECT_TRUE(check_input_topic(input(std::nullopt), unstamped).is_ok());
}

}  // namespace
}  // namespace weir
