#include "loop/death_ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include "weir/status.h"

namespace weir {

thread_local DeathLedger::Page* DeathLedger::at_work = nullptr;

namespace {

constexpr std::array kFatalSignals{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
std::array<struct sigaction, kFatalSignals.size()> actions_before;

// A thread whose stack has overflowed needs another one to say so.
class SignalStack {
 public:
  SignalStack() {
    stack_t now{};
    sigaltstack(nullptr, &now);
    if ((now.ss_flags & SS_DISABLE) == 0) {
      return;  // a sanitizer's
    }
    memory_ = std::make_unique<std::array<std::byte, kBytes>>();
    now.ss_sp = memory_->data();
    now.ss_size = kBytes;
    now.ss_flags = 0;
    sigaltstack(&now, nullptr);
  }

  ~SignalStack() {
    if (memory_) {
      stack_t none{};
      none.ss_flags = SS_DISABLE;
      sigaltstack(&none, nullptr);
    }
  }

  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  static constexpr std::size_t kBytes = std::size_t{64} << 10;
  std::unique_ptr<std::array<std::byte, kBytes>> memory_;
};

constexpr std::int32_t kExited = -1;
constexpr std::uint64_t kMagic = 0x3267644c72696577;  // "weirLdg2"
}  // namespace

Result<std::unique_ptr<DeathLedger>> DeathLedger::open(const std::string& path) {
  const auto disk_failure = [&path](const char* what) {
    return Status::stop(ExitCode::disk, path + ": can't " + what + ": " + std::strerror(errno) +
                                            (errno == ENOSPC ? ". Free some space" : ""));
  };
  int file = -1;
  if (!path.empty()) {
    file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) {
      return disk_failure("open");
    }
    // A hole is filled at the first write into the mapping: on a full disk that is SIGBUS.
    errno = ::posix_fallocate(file, 0, sizeof(Page));
    if (errno != 0) {
      const Status failure = disk_failure("extend");
      ::close(file);
      return failure;
    }
  }
  void* memory = ::mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE,
                        file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);
  const Status failure = memory == MAP_FAILED ? disk_failure("map") : Status::ok();
  if (file >= 0) {
    ::close(file);
  }
  WEIR_TRY(failure);
  std::unique_ptr<DeathLedger> ledger(new DeathLedger);
  ledger->page_ = static_cast<Page*>(memory);
  Page& page = *ledger->page_;
  // A ledger is a hint: one that is damaged is begun anew.
  if (page.magic != kMagic || page.noted > kRangesMax || page.suspects > kRangesMax) {
    std::memset(memory, 0, sizeof(Page));
    page.magic = kMagic;
  }
  ledger->take_over_notes();
  return ledger;
}

DeathLedger::~DeathLedger() {
  if (at_work == page_) {
    at_work = nullptr;
  }
  ::munmap(page_, sizeof(Page));
}

void DeathLedger::begin(std::span<const RawRecord> records) {
  std::uint32_t noted = 0;
  for (const RawRecord& record : records) {
    Range* last = noted == 0 ? nullptr : &page_->notes[noted - 1];
    if (last != nullptr && last->input == record.where.input.value() &&
        last->partition == record.where.partition.value()) {
      last->last = record.offset.value();
    } else if (noted < kRangesMax) {
      page_->notes[noted++] = {.input = record.where.input.value(),
                               .partition = record.where.partition.value(),
                               .first = record.offset.value(),
                               .last = record.offset.value(),
                               .deaths = 1,
                               .in_process = 0};
    } else {
      break;  // more runs than places: those that follow are found at a later death
    }
  }
  page_->died = 0;
  page_->in_process = 0;
  page_->noted = noted;
  watch_this_thread();
  at_work = page_;
}

void DeathLedger::reach_process() {
  page_->in_process = 1;
}

void DeathLedger::end() {
  at_work = nullptr;
  page_->noted = 0;
}

void DeathLedger::watch_this_thread() {
  static const bool is_watched = [] {
    struct sigaction action {};
    action.sa_sigaction = &DeathLedger::on_fatal_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (std::size_t i = 0; i < kFatalSignals.size(); ++i) {
      sigaction(kFatalSignals[i], &action, &actions_before[i]);
    }
    std::atexit(&DeathLedger::on_exit);
    return true;
  }();
  static_cast<void>(is_watched);
  static thread_local const SignalStack stack;
}

// Else --until-end would end well with nothing done, and a restart would meet the record again and
// again.
void DeathLedger::on_exit() {
  if (at_work == nullptr) {
    return;
  }
  at_work->died = kExited;
  constexpr std::string_view kLastWords =
      "exit() was called while records were processed: taken as a death on one of them\n";
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, kLastWords.data(), kLastWords.size());
  ::_exit(static_cast<int>(ExitCode::broken));
}

// Notes the death and leaves it to whoever watched before.
void DeathLedger::on_fatal_signal(int signal, siginfo_t* info, void* /*context*/) {
  const bool is_from_kernel = info->si_code > 0;
  if (at_work != nullptr && (is_from_kernel || info->si_pid == ::getpid())) {
    at_work->died = signal;
  }
  for (std::size_t i = 0; i < kFatalSignals.size(); ++i) {
    if (kFatalSignals[i] == signal) {
      sigaction(signal, &actions_before[i], nullptr);
    }
  }
  if (!is_from_kernel) {
    ::raise(signal);  // a fault comes again by itself, with its place
  }
}

void DeathLedger::take_over_notes() {
  if (std::exchange(page_->died, 0) == 0) {
    page_->noted = 0;
  }
  for (std::uint32_t i = 0; i < page_->noted; ++i) {
    Range& note = page_->notes[i];
    note.in_process = page_->in_process;
    Range* same = nullptr;
    for (std::uint32_t s = 0; s < page_->suspects; ++s) {
      Range& suspect = page_->suspect[s];
      if (suspect.input == note.input && suspect.partition == note.partition &&
          suspect.first == note.first && suspect.last == note.last) {
        same = &suspect;
      }
    }
    if (same != nullptr) {
      same->deaths += note.first == note.last ? 1 : 0;
      same->in_process &= note.in_process;
    } else {
      const Origin origin{
          {InputIndex(static_cast<std::uint16_t>(note.input)), Partition(note.partition)},
          Offset(note.first)};
      // A record that died within a range before carries that death on.
      const Range* range = note.first == note.last ? find(origin) : nullptr;
      if (range != nullptr) {
        note.deaths += range->deaths;
        note.in_process &= range->in_process;
      }
      // Where all places are taken: the newest note is the one that matters now.
      page_->suspects = std::min<std::uint32_t>(page_->suspects + 1, kRangesMax);
      page_->suspect[page_->suspects - 1] = note;
    }
  }
  page_->noted = 0;
}

const DeathLedger::Range* DeathLedger::find(const Origin& origin) const {
  const Range* worst = nullptr;
  for (std::uint32_t i = 0; i < page_->suspects; ++i) {
    const Range& range = page_->suspect[i];
    if (range.input == origin.where.input.value() &&
        range.partition == origin.where.partition.value() && range.first <= origin.offset.value() &&
        origin.offset.value() <= range.last && (worst == nullptr || range.deaths > worst->deaths)) {
      worst = &range;
    }
  }
  return worst;
}

bool DeathLedger::has_suspect_among(std::span<const RawRecord> records) const {
  return page_->suspects > 0 &&
         std::any_of(records.begin(), records.end(), [this](const RawRecord& record) {
           return find({record.where, record.offset}) != nullptr;
         });
}

int DeathLedger::deaths(const Origin& origin) const {
  const Range* range = find(origin);
  return range == nullptr ? 0 : range->deaths;
}

bool DeathLedger::died_in_process_only(const Origin& origin) const {
  const Range* range = find(origin);
  return range != nullptr && range->in_process != 0;
}

void DeathLedger::forget_below(InputPartition where, NextOffset next) {
  Range* end = page_->suspect + page_->suspects;
  end = std::remove_if(page_->suspect, end, [&](const Range& range) {
    return range.input == where.input.value() && range.partition == where.partition.value() &&
           range.last < next.value();
  });
  page_->suspects = static_cast<std::uint32_t>(end - page_->suspect);
}

}  // namespace weir
