#include "host/broker_watch.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace weir {
namespace {

// What was noticed, in seconds since the test began.
struct Sign {
  int at;
  bool is_reachable;
  int last_answer;
  bool is_asking;
};

struct Case {
  std::string name;
  std::vector<Sign> signs;
  bool is_cut_off;  // after the last
};

class BrokerWatchCase : public testing::TestWithParam<Case> {};

TEST_P(BrokerWatchCase, IsJudged) {
  const auto at = [](int second) { return BrokerWatch::Time(std::chrono::seconds(100 + second)); };
  BrokerWatch watch;
  EXPECT_FALSE(watch.is_cut_off());
  for (const Sign& sign : GetParam().signs) {
    watch.observe(at(sign.at), sign.is_reachable, at(sign.last_answer), sign.is_asking);
  }
  EXPECT_EQ(watch.is_cut_off(), GetParam().is_cut_off);
}

constexpr bool kAway = false, kThere = true, kAsks = true, kWaits = false;

INSTANTIATE_TEST_SUITE_P(
    Brokers, BrokerWatchCase,
    testing::Values(
        Case{"that_answer_are_there", {{0, kThere, 0, kAsks}, {60, kThere, 60, kAsks}}, false},
        Case{"whose_connection_is_made_anew_are_there",
             {{0, kThere, 0, kAsks}, {1, kAway, 0, kAsks}, {4, kAway, 0, kAsks}},
             false},
        Case{"that_cannot_be_reached_are_not",
             {{0, kThere, 0, kAsks}, {1, kAway, 0, kAsks}, {5, kAway, 0, kAsks}},
             true},
        Case{"that_cannot_be_reached_are_missed_by_who_waits_too",
             {{0, kThere, 0, kWaits}, {1, kAway, 0, kWaits}, {5, kAway, 0, kWaits}},
             true},
        Case{"that_can_be_reached_again_are_there",
             {{1, kAway, 0, kAsks}, {5, kAway, 0, kAsks}, {6, kThere, 6, kAsks}},
             false},
        Case{"that_were_away_twice_are_away_since_the_second_time",
             {{1, kAway, 0, kAsks}, {3, kThere, 3, kAsks}, {5, kAway, 3, kAsks}},
             false},
        Case{"that_pause_are_there", {{0, kThere, 0, kAsks}, {10, kThere, 0, kAsks}}, false},
        Case{"that_hang_are_not", {{0, kThere, 0, kAsks}, {11, kThere, 0, kAsks}}, true},
        Case{"that_hang_before_the_first_look_are_not", {{11, kThere, 0, kAsks}}, true},
        Case{"that_hang_until_the_partitions_are_lost_are_not",
             {{0, kThere, 0, kAsks}, {11, kThere, 0, kWaits}},
             true},
        Case{"that_were_asked_nothing_are_there",
             {{0, kThere, 0, kWaits}, {60, kThere, 0, kWaits}},
             false},
        Case{"that_gave_partitions_long_after_their_last_answer_are_there",
             {{0, kThere, 0, kWaits}, {60, kThere, 0, kAsks}},
             false},
        Case{"that_took_the_partitions_are_there",
             {{0, kThere, 0, kAsks}, {5, kThere, 5, kWaits}, {60, kThere, 5, kWaits}},
             false}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace weir
