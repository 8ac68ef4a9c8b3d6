#include "host/lane_watch.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "host/broker_watch.h"
#include "http/status_page.h"
#include "text/quantity.h"

namespace weir {

namespace {

using std::chrono::steady_clock;

// A stage that holds its lane for longer is taken to hang.
constexpr std::chrono::seconds kBeatMax{60};
// Between two looks at the lanes, of which a busy machine makes a second at most.
constexpr std::chrono::seconds kStandstillMin{10};

}  // namespace

std::chrono::system_clock::time_point wall_time(steady_clock::time_point time) {
  return std::chrono::system_clock::now() -
         std::chrono::duration_cast<std::chrono::system_clock::duration>(steady_clock::now() -
                                                                         time);
}

void LaneWatch::look(const Lanes& lanes) {
  are_hanging_.resize(lanes.size());
  note_silence(lanes);
  note_standstill();
  note_hangs(lanes);
}

bool LaneWatch::any_hangs() const {
  return std::find(are_hanging_.begin(), are_hanging_.end(), true) != are_hanging_.end();
}

bool LaneWatch::hangs(const Lane& lane) const {
  const auto seen = std::max(lane.last_beat(), went_on_.load());
  return !lane.has_ended() && steady_clock::now() - seen > kBeatMax + longer_calls_;
}

void LaneWatch::note_silence(const Lanes& lanes) {
  bool any_cut_off = false;
  auto since = steady_clock::now();
  for (const auto& lane : lanes) {
    if (lane->is_cut_off()) {
      any_cut_off = true;
      since = std::min(since, lane->last_answer());
    }
  }
  if (std::exchange(is_cut_off_, any_cut_off) == any_cut_off) {
    return;
  }
  if (is_cut_off_) {
    log_.warning(kBrokerIsSilent,
                 {{"bootstrap.servers", bootstrap_}, {"since", rfc3339(wall_time(since))}});
  } else {
    log_.warning("the broker answers again", {{"bootstrap.servers", bootstrap_}});
  }
}

// Where the whole process was stopped, no lane showed a sign of life, and none hangs for that.
void LaneWatch::note_standstill() {
  const auto now = steady_clock::now();
  if (now - looked_ > kStandstillMin) {
    log_.warning("this process stood still: it was stopped, or waited for its disk",
                 {{"since", rfc3339(wall_time(looked_))}});
    if (!any_hangs()) {
      went_on_ = now;
    }
  }
  looked_ = now;
}

void LaneWatch::note_hangs(const Lanes& lanes) {
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const bool is_hanging = hangs(*lanes[i]);
    if (is_hanging == are_hanging_[i]) {
      continue;
    }
    are_hanging_[i] = is_hanging;
    if (is_hanging) {
      log_.error(fmt::format("a lane {}", kHangs),
                 {{"lane", std::to_string(i)},
                  {"since", rfc3339(wall_time(lanes[i]->last_beat()))},
                  {"committed", committed_text(metrics_.lanes()[i].partitions)}});
    } else if (!lanes[i]->has_ended()) {
      log_.info("the lane that hung goes on", {{"lane", std::to_string(i)}});
    }
  }
}

}  // namespace weir
