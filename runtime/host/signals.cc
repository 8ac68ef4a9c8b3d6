#include "host/signals.h"

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

bool Signals::wait(std::chrono::milliseconds time) const {
  const timespec limit{.tv_sec = time.count() / 1000,
                       .tv_nsec = static_cast<long>(time.count() % 1000) * 1'000'000L};
  return sigtimedwait(&set_, nullptr, &limit) > 0;
}

}  // namespace weir
