#include "host/log.h"

#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Log, ALineSaysWhoseItIs) {
  ::testing::internal::CaptureStderr();
  Log("d", config::LogLevel::info, "b").info("what");
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              ::testing::HasSubstr(fmt::format(
                  R"("level":"info","pid":{},"deployment":"d","instance":"b","what":"what"}})",
                  ::getpid())));
}

// Each lane reads with a codec of its own, which finds the same unknown fields.
TEST(Log, WhatAllLanesFindIsSaidOnceAndAtMostAHundredTimes) {
  const Log log("d", config::LogLevel::info);
  ::testing::internal::CaptureStderr();
  for (int lane = 0; lane < 2; ++lane) {
    for (std::size_t i = 0; i < 2 * Log::kOnceMax; ++i) {
      log.info_once("unknown", "field", std::to_string(i));
    }
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 100);
  EXPECT_THAT(said, ::testing::EndsWith(
                        R"("field":"99","note":"the last one that is named; all are counted"})"
                        "\n"));
}

}  // namespace
}  // namespace weir
