// Whether the disk of a stage's state is about to be full: the first write that finds no room ends
// the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace weir {

struct DiskRoom {
  std::uint64_t free_bytes = 0;  // for whoever asks, who may not use all that is left
  std::uint64_t bytes = 0;

  // Less than 5 % is free, and less than 1 GiB: 5 % of a large disk is no alarm, nor is a disk
  // that has less than 1 GiB when it is empty.
  bool is_low() const;
  std::string text() const;  // "512 MiB of 2048 MiB"
};

// Of the file system of `place`. nullopt: it can't be asked, or has no size.
std::optional<DiskRoom> disk_room(const std::filesystem::path& place);

// Tells a change once: a disk at the limit goes to and fro.
class DiskWatch {
 public:
  enum class News { none, low, recovered };

  // Recovered is a disk that has twice the room at which it was low.
  News observe(const DiskRoom& room);

 private:
  bool was_low_ = false;
};

}  // namespace weir
