#include "host/signals.h"

#include <fmt/format.h>

namespace weir {

Signals::Signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigemptyset(&set_);
  sigaddset(&set_, SIGTERM);
  sigaddset(&set_, SIGINT);

  struct sigaction hangup {};

  sigaction(SIGHUP, nullptr, &hangup);
  if (hangup.sa_handler != SIG_IGN) {  // by nohup; asked for, it would come all the same
    sigaddset(&set_, SIGHUP);
  }
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

std::optional<std::string> Signals::wait(std::chrono::milliseconds time) const {
  const timespec limit{.tv_sec = time.count() / 1000,
                       .tv_nsec = static_cast<long>(time.count() % 1000) * 1'000'000L};
  siginfo_t info{};
  const int number = sigtimedwait(&set_, &info, &limit);
  if (number <= 0) {
    return std::nullopt;
  }
  const std::string name = number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
  // A terminal's are the kernel's, and who sends from outside a container has no number in it.
  return info.si_code == SI_USER && info.si_pid != 0
             ? fmt::format("{} from process {} of user {}", name, info.si_pid, info.si_uid)
             : name;
}

}  // namespace weir
