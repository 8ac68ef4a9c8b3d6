// How far a long piece of work is, on standard error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace weir {

// On a terminal one line that is written over, elsewhere a line every 10 s. One thread.
class Progress {
 public:
  using Now = std::function<std::chrono::steady_clock::time_point()>;

  // `what` is counted, such as "lines".
  explicit Progress(std::string what, Now now = std::chrono::steady_clock::now);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Cheap when there is nothing to show. `share`: of all the work, 0 … 1; nullopt: not known. The
  // time left follows from the pace since the first share, which an earlier run may have reached.
  void show(std::uint64_t count, std::optional<double> share);

  std::chrono::duration<double> elapsed() const;

 private:
  struct Reached {
    std::chrono::steady_clock::time_point when;
    double share;
  };

  const std::string what_;
  const Now now_;
  const bool is_terminal_;
  const std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point shown_;
  std::optional<Reached> first_;
  bool has_line_ = false;
};

}  // namespace weir
