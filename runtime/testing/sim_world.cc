#include "testing/sim_world.h"

#include <fmt/format.h>

namespace weir {

namespace {

// Between two calls of a lane; a turn is due after some of them, as in life.
constexpr std::chrono::milliseconds kStep{20};
// An idle lane commits its position once a second, which is 50 steps.
constexpr int kStepsWithoutProgressMax = 1'000;
constexpr int kRoundsMax = 10'000;

}  // namespace

SimWorld::SimWorld(std::span<const SimDeployment> deployments, const Options& options)
    : faults_(options.faults), places_(deployments.size()) {
  // Outputs first: a topic that one deployment writes and another reads is no raw topic.
  for (std::size_t i = 0; i < deployments.size(); ++i) {
    for (const std::string& topic : deployments[i].plan.output_topics) {
      if (topic != deployments[i].plan.output_topics.back() && !kafka_.has_topic(topic)) {
        kafka_.create_topic(topic, {.partitions = options.partitions});
      }
    }
  }
  for (std::size_t i = 0; i < deployments.size(); ++i) {
    create_topics(kafka_, deployments[i].plan, options.partitions);
    Place& place = places_[i];
    place.deployment = &deployments[i];
    place.settings = deployments[i].plan.settings;
    if (options.batch_records_max) {
      place.settings.limits.batch_records_max = *options.batch_records_max;
    }
  }
}

Status SimWorld::start(Place& place) {
  if (place.lane) {
    return Status::ok();
  }
  place.probe = std::make_unique<CountingProbe>(place.counts);
  WEIR_TRY_ASSIGN(place.lane,
                  SimLane::make(*place.deployment, place.settings,
                                {kafka_, *place.disk, clock_, *place.probe, faults_, {}}));
  return place.lane->step();  // a new group begins where its topics end now, if it wants the latest
}

Status SimWorld::run() {
  // All of them first: a new life ends the transaction that the one before left open.
  for (Place& place : places_) {
    if (const Status started = start(place); !started.is_ok()) {
      return started.within(place.deployment->deployment.id);
    }
  }
  bool has_moved = true;
  for (int round = 0; has_moved && round < kRoundsMax; ++round) {
    has_moved = false;
    for (Place& place : places_) {
      if (!place.lane->is_at_end()) {
        has_moved = true;
        if (const Status done = run(place); !done.is_ok()) {
          return done.within(place.deployment->deployment.id);
        }
      }
    }
  }
  return has_moved ? Status::stop(ExitCode::broken,
                                  "the deployments feed each other without an end: a topic that is "
                                  "read is written by what reads it")
                   : Status::ok();
}

Status SimWorld::run(Place& place) {
  std::int64_t lag = place.lane->lag();
  for (int steps = 0; lag > 0; ++steps) {
    if (steps > kStepsWithoutProgressMax) {
      return Status::stop(ExitCode::broken,
                          fmt::format("{} records are not processed after {} calls of its loop",
                                      lag, kStepsWithoutProgressMax));
    }
    clock_.advance(kStep);
    WEIR_TRY(place.lane->step());
    if (const std::int64_t left = place.lane->lag(); left != lag) {
      lag = left;
      steps = 0;
    }
  }
  return Status::ok();
}

Status SimWorld::drain() {
  WEIR_TRY(run());
  for (Place& place : places_) {
    if (const Status drained = place.lane->drain(); !drained.is_ok()) {
      return drained.within(place.deployment->deployment.id);
    }
  }
  die();
  return Status::ok();
}

Status SimWorld::crash() {
  for (Place& place : places_) {
    const std::string& id = place.deployment->deployment.id;
    if (const Status started = start(place); !started.is_ok()) {
      return started.within(id);
    }
    // The clock stands still, so no turn is due by time. A new lane starts, then is assigned.
    const auto batch = static_cast<std::int64_t>(place.settings.limits.batch_records_max);
    const std::int64_t steps = place.lane->lag() / batch + 3;
    for (std::int64_t step = 0; step < steps; ++step) {
      if (const Status done = place.lane->step(); !done.is_ok()) {
        return done.within(id);
      }
    }
  }
  die();
  return Status::ok();
}

void SimWorld::die() {
  for (Place& place : places_) {
    place.lane.reset();
  }
}

void SimWorld::lose_disks() {
  for (Place& place : places_) {
    WEIR_ASSERT(!place.lane);
    place.disk = std::make_unique<MemoryStores>();
  }
}

}  // namespace weir
