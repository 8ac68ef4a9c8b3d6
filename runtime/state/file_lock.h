// A lock between processes: of a store, of a deployment's instance.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "weir/status.h"

namespace weir {

// Held until destroyed, or until the process ends, however it ends. Excludes other processes and
// other threads of this one alike. The file stays: removing a lock file would let two hold it.
class FileLock {
 public:
  // Makes the directories that are missing. retry, naming the holder, while another holds it;
  // stop(disk) when the file can't be made, naming what is in the way and what to do about it where
  // that can be told.
  static Result<FileLock> acquire(const std::filesystem::path& file);

  // Who holds it, as acquire() says it; nullopt: nobody, or it can't be asked, or isn't there. Any
  // user may ask who may read the file, and any number at once; nothing is written. An acquire()
  // that comes while this asks fails.
  static std::optional<std::string> holder(const std::filesystem::path& file);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace weir
