// A stage that kills its process, stops it or hangs on records that ask for it: for dying_test.py
// and health_test.py.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <limits>
#include <new>
#include <stdexcept>
#include <thread>

#include "hello/v1/hello.pb.h"

#include "host/main.h"
#include "weir/stage.h"

namespace {

int descend(int levels) {
  volatile char frame[1024];
  frame[0] = 1;
  return levels == 0 ? 0 : descend(levels - 1) + frame[0];
}

class Dying final : public weir::Stage {
 public:
  struct Options {
    bool fails_beside_a_hang = false;
  };

  explicit Dying(const Options& options) {
    // The second of two: the first has all partitions, hence the record to hang on.
    if (++objects == 2 && options.fails_beside_a_hang) {
      while (!hangs) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
      }
      throw std::runtime_error("the other lane hangs");
    }
  }

  ~Dying() override { --objects; }

  weir::DedupKey dedup_key(const weir::Record& record) const override {
    return weir::DedupKey::of(record.message<hello::v1::Name>().id());
  }

  void process(const weir::Record& record, weir::Out& out) override {
    const auto& name = record.message<hello::v1::Name>();
    if (name.name() == "abort") {
      std::abort();
    }
    if (name.name() == "slow") {
      std::this_thread::sleep_for(std::chrono::milliseconds(4));
    }
    if (name.name() == "memory") {
      throw std::bad_alloc();
    }
    if (name.name() == "exit") {
      std::exit(0);
    }
    if (name.name() == "fault") {
      *static_cast<volatile char*>(nowhere_) = 1;
    }
    if (name.name() == "overflow" && descend(std::numeric_limits<int>::max()) == 0) {
      return;
    }
    if (name.name() == "stop") {
      std::raise(SIGSTOP);
    }
    while (name.name() == "hang") {
      hangs = true;
      ::pause();
    }
    hello::v1::Greeting greeting;
    greeting.set_text(name.id());
    out.emit("greetings", greeting);
  }

 private:
  static inline std::atomic<int> objects = 0;
  static inline std::atomic<bool> hangs = false;
  void* nowhere_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  return weir::stage_main(argc, argv,
                          weir::StageSpec::of<Dying>("dying", "Dies on demand.")
                              .input<hello::v1::Name>("names", "Some of them deadly.")
                              .output<hello::v1::Greeting>("greetings", "The ids of the others.")
                              .option("fails_beside_a_hang", &Dying::Options::fails_beside_a_hang,
                                      "One of two lanes fails once the other hangs."));
}
