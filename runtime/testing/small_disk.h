// A disk that is soon full.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <string>

#include <sched.h>

namespace weir {

// Mounts a disk of `size` ("2m") at `where`, which this process alone sees and which goes with it.
// False: that takes rights which it hasn't.
inline bool mount_small_disk(const std::filesystem::path& where, const std::string& size) {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("tmpfs", where.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
}

}  // namespace weir
