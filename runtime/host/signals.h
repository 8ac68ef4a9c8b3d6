// The signals that ask a process to end.
#pragma once

#include <signal.h>

#include <chrono>
#include <optional>
#include <string>

namespace weir {

// SIGTERM, SIGINT and SIGHUP (unless nohup has it ignored), blocked from construction on for this
// thread and those that it starts, and asked for by one of them. A reader of the log that goes away
// ends nothing: SIGPIPE is ignored. Nothing of this is undone.
class Signals {
 public:
  Signals();

  // Which one arrived within `time`, or before, and by whom it was sent, for people; nullopt: none.
  // Each is told once.
  std::optional<std::string> wait(std::chrono::milliseconds time) const;

 private:
  sigset_t set_{};
};

}  // namespace weir
