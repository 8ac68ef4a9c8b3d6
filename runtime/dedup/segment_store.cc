#include "dedup/segment_store.h"

#include <chrono>
#include <filesystem>

#include <fmt/core.h>
#include <xxhash.h>

#include "text/quantity.h"

namespace weir {
namespace {

// Part of the stores' format: under another seed no stored entry would be found again.
constexpr std::uint64_t kHashSeed = 0x77656972'64656475;

constexpr std::string_view kTopicRecreated =
    "The topic was deleted and created again, or this is another cluster, so that the group's "
    "offsets belong to another log. Run it as a new version of the deployment, which reads the new "
    "log from its start";
constexpr std::string_view kPartitionsChanged =
    "Keys have moved between partitions, so that duplicates can't be told any more. Run it as a "
    "new "
    "version of the deployment";
constexpr std::string_view kRuleChanged =
    "What counts as a duplicate would change in the middle of the log. Set it back, or run it as a "
    "new version of the deployment";
constexpr std::string_view kMoved =
    "The directory was moved or copied here. Remove it, and it is rebuilt from the log";
constexpr std::string_view kOtherGroup =
    "Two deployments share one state directory. Give each its own; or, if the other one is gone, "
    "remove this store, and it is rebuilt from the log";

template <class T>
Status compare(std::string_view place, std::string_view field, const T& stored, const T& wanted,
               std::string_view way_out) {
  if (stored == wanted) {
    return Status::ok();
  }
  return Status::stop(ExitCode::config,
                      fmt::format("the store {} belongs to another log or rule: its {} is '{}', "
                                  "this stage's is '{}'. {}.",
                                  place, field, stored, wanted, way_out));
}

}  // namespace

KeyHash hash_of(std::string_view dedup_key_bytes) {
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(dedup_key_bytes.data(), dedup_key_bytes.size(), kHashSeed);
  return {.high = hash.high64, .low = hash.low64};
}

Status check_identity(const StoreIdentity& stored, const StoreIdentity& wanted,
                      std::string_view place) {
  const auto same = [&](std::string_view field, auto member, std::string_view way_out) {
    return compare(place, field, stored.*member, wanted.*member, way_out);
  };
  WEIR_TRY(same("topic", &StoreIdentity::topic, kMoved));
  WEIR_TRY(same("partition", &StoreIdentity::partition, kMoved));
  WEIR_TRY(same("group", &StoreIdentity::group, kOtherGroup));
  // Each partition's store beside it would be refused as well.
  WEIR_TRY(same("cluster_id", &StoreIdentity::cluster_id,
                fmt::format("{}; or, if the other broker was only for trying, remove {} and start "
                            "it again",
                            kTopicRecreated, std::filesystem::path(place).parent_path().string())));
  if (!stored.topic_id.empty() && !wanted.topic_id.empty()) {
    WEIR_TRY(same("topic_id", &StoreIdentity::topic_id, kTopicRecreated));
  }
  WEIR_TRY(same("partitions", &StoreIdentity::partitions, kPartitionsChanged));
  WEIR_TRY(compare(place, "window", duration_text(std::chrono::milliseconds(stored.window_ms)),
                   duration_text(std::chrono::milliseconds(wanted.window_ms)), kRuleChanged));
  WEIR_TRY(same("window_buckets", &StoreIdentity::window_buckets, kRuleChanged));
  WEIR_TRY(same("key_rule", &StoreIdentity::key_rule, kRuleChanged));
  return Status::ok();
}

}  // namespace weir
