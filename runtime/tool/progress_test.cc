#include "tool/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

using testing::HasSubstr;

TEST(Progress, TheTimeLeftDoesNotCountWhatAnEarlierRunDid) {
  std::chrono::steady_clock::time_point now;
  testing::internal::CaptureStderr();
  Progress progress("lines", [&now] { return now; });
  now += std::chrono::seconds(5);  // before the first line
  progress.show(0, 0.4);
  now += std::chrono::seconds(20);
  progress.show(1'000, 0.5);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              HasSubstr("1,000 lines, 40/s, 50 %, 1:40 left"));
}

}  // namespace
}  // namespace weir
