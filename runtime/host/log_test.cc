#include "host/log.h"

#include <algorithm>

#include <gtest/gtest.h>

namespace weir {
namespace {

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
}

}  // namespace
}  // namespace weir
