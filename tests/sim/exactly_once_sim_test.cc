// Exactly once under faults: lanes of the real loop over a simulated Kafka, in hundreds of seeded
// schedules of records, faults, crashes, lost disks, rebalances, lost sessions and late copies of
// requests; then the outputs that a read_committed reader sees are compared with what a plain
// reference model makes of the input log.
//
// WEIR_SIM_SEED=n runs one schedule and prints it; WEIR_SIM_SCHEDULES=n sets how many.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "testing/lane_lab.h"
#include "weir/test_points.h"

namespace weir {
namespace {

// What becomes of one partition's log, by the rule as the design states it, on plain containers.
struct Expected {
  std::vector<std::string> outputs;
  std::vector<std::string> dead_letters;
};

Expected expect(const std::vector<std::pair<Offset, SimRecord>>& log, const DedupWindow& window) {
  Expected expected;
  std::map<std::string, std::set<std::int64_t>> buckets_of_key;
  std::int64_t time = 0;
  for (const auto& [offset, record] : log) {
    time = std::max(time, record.timestamp.value());
    const std::string& value = *record.value;
    const std::size_t colon = value.find(':');
    if (colon == std::string::npos || colon == 0) {
      expected.dead_letters.push_back(value);
      continue;
    }
    const std::int64_t bucket = time * window.buckets / window.length.count();
    std::set<std::int64_t>& seen = buckets_of_key[value.substr(0, colon)];
    const bool duplicate = seen.lower_bound(bucket - window.buckets) != seen.end();
    seen.insert(bucket);
    const std::string rest = value.substr(colon + 1);
    if (duplicate || rest == "drop") {
      continue;
    }
    if (rest == "throw" || rest == "big") {
      expected.dead_letters.push_back(value);
    } else {
      expected.outputs.insert(expected.outputs.end(), rest == "twice" ? 2 : 1, value);
    }
  }
  return expected;
}

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {
    partitions_ = 1 + chance(50) + chance(30);
    create_lab_topics(kafka_, partitions_);
    times_.assign(static_cast<std::size_t>(partitions_), 1000);
    lanes_.resize(2);
    disks_.resize(2);
  }

  // "" or what went wrong.
  std::string run() {
    faults_on_ = true;
    for (int i = 0; i < 400; ++i) {
      act();
      if (!stopped_.empty()) {
        return "stopped: " + stopped_;
      }
    }
    faults_on_ = false;
    for (int i = 0; i < 400; ++i) {
      step(i % 2 == 0 ? 0 : 1);
    }
    return stopped_.empty() ? verdict() : "stopped: " + stopped_;
  }

 private:
  bool chance(int percent) { return static_cast<int>(random_() % 100) < percent; }

  std::size_t pick(std::size_t below) { return random_() % below; }

  void act() {
    switch (pick(10)) {
      case 0:
      case 1:
      case 2:
        return send();
      case 3:
        if (chance(30)) {
          lanes_[pick(2)].reset();  // kill -9, noticed by the group at once
        }
        return;
      case 4:
        if (chance(10)) {
          const std::size_t lane = pick(2);
          lanes_[lane].reset();
          if (chance(50)) {
            disks_[lane] = MemoryStores();
          } else {
            disks_[lane].lose_writes(1 + pick(3));  // power loss
          }
        }
        return;
      default:
        return step(pick(2));
    }
  }

  void send() {
    const std::size_t partition = pick(static_cast<std::size_t>(partitions_));
    std::int64_t& time = times_[partition];
    time += chance(5) ? 700 : static_cast<std::int64_t>(pick(60));
    SimRecord record;
    record.timestamp = Timestamp(chance(10) ? time - 300 : chance(3) ? 0 : time);
    static constexpr const char* kRests[] = {"drop", "throw", "big", "twice", "n"};
    record.value = "k" + std::to_string(pick(12)) + ":" +
                   (chance(15) ? kRests[pick(5)] : std::to_string(sent_++));
    if (chance(3)) {
      record.value = "undecodable";
    }
    if (chance(5)) {
      kafka_.append_aborted(kLabInput, static_cast<std::int32_t>(partition), record);
    } else {
      kafka_.append(kLabInput, static_cast<std::int32_t>(partition), record);
    }
  }

  void step(std::size_t lane) {
    if (!lanes_[lane]) {
      lanes_[lane] = std::make_unique<LabLane>(
          kafka_, disks_[lane], lab_settings(), "lab.v1.0." + std::to_string(lane),
          [this](std::string_view operation) { return fault(operation); }, probe_);
    }
    const Status done = lanes_[lane]->step();
    if (!done.is_ok()) {
      stopped_ = done.message();
    }
  }

  Status fault(std::string_view operation) {
    const std::string what = "fault at " + std::string(operation);
    if (operation == "late_copy") {  // in the end all arrive
      return faults_on_ && !chance(10) ? Status::ok() : Status::abort(what);
    }
    if (!faults_on_ || !chance(percent_of(operation))) {
      return Status::ok();
    }
    if (operation == "commit_answer") {
      return Status::recreate("other", what);
    }
    switch (pick(3)) {
      case 0:
        return Status::retry(what);
      case 1:
        return operation == "poll" || operation == "seek" || operation == "committed" ||
                       operation == "identity" || operation == "abort" || operation == "recreate"
                   ? Status::retry(what)
                   : Status::abort(what);
      default:
        return operation == "poll" ? Status::rejoin("other", what)
               : operation == "seek" || operation == "committed" || operation == "identity"
                   ? Status::retry(what)
                   : Status::recreate("other", what);
    }
  }

  static int percent_of(std::string_view operation) {
    return operation == "session"           ? 1
           : operation == "heartbeat"       ? 70
           : operation == "assignment_lost" ? 50
           : operation.ends_with("_copy")   ? 10
                                            : 4;
  }

  std::string verdict() {
    std::ostringstream wrong;
    const DedupWindow window = *lab_settings().inputs[0].dedup;
    for (std::int32_t p = 0; p < partitions_; ++p) {
      const Expected expected = expect(kafka_.read(kLabInput, p), window);
      compare(wrong, "outputs", p, expected.outputs, values(kLabOutput, p));
      compare(wrong, "dead letters", p, expected.dead_letters, values(kLabDeadLetters, p));
    }
    return wrong.str();
  }

  static void compare(std::ostringstream& wrong, const char* what, std::int32_t partition,
                      const std::vector<std::string>& expected,
                      const std::vector<std::string>& actual) {
    if (expected == actual) {
      return;
    }
    wrong << what << " of partition " << partition << ": expected " << expected.size() << ", got "
          << actual.size();
    for (std::size_t i = 0; i < std::max(expected.size(), actual.size()); ++i) {
      const std::string e = i < expected.size() ? expected[i] : "(none)";
      const std::string a = i < actual.size() ? actual[i] : "(none)";
      if (e != a) {
        wrong << "; first difference at " << i << ": expected " << e << ", got " << a << "\n";
        return;
      }
    }
  }

  std::vector<std::string> values(const char* topic, std::int32_t partition) {
    std::vector<std::string> values;
    for (const auto& [offset, record] : kafka_.read(topic, partition)) {
      values.push_back(*record.value);
    }
    return values;
  }

  std::mt19937_64 random_;
  std::int32_t partitions_ = 1;
  SimKafka kafka_;
  Probe probe_;
  std::vector<std::int64_t> times_;
  std::vector<MemoryStores> disks_;
  std::vector<std::unique_ptr<LabLane>> lanes_;
  int sent_ = 0;
  bool faults_on_ = false;
  std::string stopped_;
};

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::uint64_t schedules() {
  return number_from_environment("WEIR_SIM_SCHEDULES", 600);
}

// The first seed up to `count` that goes wrong, with what; nullopt when none does.
std::optional<std::pair<std::uint64_t, std::string>> first_wrong(std::uint64_t count) {
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    const std::string wrong = Schedule(seed).run();
    if (!wrong.empty()) {
      return std::pair(seed, wrong);
    }
  }
  return std::nullopt;
}

TEST(ExactlyOnceSim, EveryRecordHasItsOneOutcomeUnderFaults) {
  if (std::getenv("WEIR_SIM_SEED") != nullptr) {
    EXPECT_EQ(Schedule(number_from_environment("WEIR_SIM_SEED", 1)).run(), "");
    return;
  }
  const auto wrong = first_wrong(schedules());
  EXPECT_FALSE(wrong.has_value()) << "seed " << wrong->first << ": " << wrong->second;
}

#ifdef WEIR_TEST_POINTS
class BrokenRule : public ::testing::TestWithParam<const char*> {};

// A checker that can't fail proves nothing: each rule of the loop, broken, is noticed, by the
// verdict or by an assertion. In a child, which an assertion may end.
TEST_P(BrokenRule, IsNoticed) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    choose_mutant(GetParam());
    std::_Exit(first_wrong(schedules()).has_value() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_NE(status, 0);
}

INSTANTIATE_TEST_SUITE_P(Loop, BrokenRule,
                         ::testing::Values("state_before_commit", "no_rewind", "clock_not_rewound",
                                           "no_redelivery_guard", "no_restore",
                                           "unknown_outcome_taken_for_aborted", "no_resend_defence",
                                           "no_rejoin_in_doubt"));
#endif

}  // namespace
}  // namespace weir
