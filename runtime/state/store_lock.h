// Who may touch a store's directory.
#pragma once

#include <filesystem>

#include "weir/status.h"

namespace weir {

// Held until destroyed, or until the process ends, however it ends. Excludes other processes and
// other lanes of this one alike. The file stays: removing a lock file would let two hold it.
class StoreLock {
 public:
  // retry, naming the holder, while another holds it; stop(disk) when the file can't be made.
  static Result<StoreLock> acquire(const std::filesystem::path& file);

  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&& other) noexcept;
  ~StoreLock();

 private:
  explicit StoreLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace weir
