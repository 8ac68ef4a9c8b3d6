#include "host/disk_watch.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kLowBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kLowDivisor = 20;  // 5 %

std::uint64_t low_bytes(const DiskRoom& room) {
  return std::min(kLowBytes, room.bytes / kLowDivisor);
}

}  // namespace

bool DiskRoom::is_low() const {
  return free_bytes < low_bytes(*this);
}

std::string DiskRoom::text() const {
  return fmt::format("{} MiB of {} MiB", free_bytes / kMiB, bytes / kMiB);
}

std::optional<DiskRoom> disk_room(const std::filesystem::path& place) {
  std::error_code failed;
  const std::filesystem::space_info room = std::filesystem::space(place, failed);
  return failed || room.capacity == 0 ? std::nullopt
                                      : std::optional(DiskRoom{room.available, room.capacity});
}

DiskWatch::News DiskWatch::observe(const DiskRoom& room) {
  if (!was_low_ && room.is_low()) {
    was_low_ = true;
    return News::low;
  }
  if (was_low_ && room.free_bytes >= 2 * low_bytes(room)) {
    was_low_ = false;
    return News::recovered;
  }
  return News::none;
}

}  // namespace weir
