// Which record the process died on: what lets a lane set aside a record that kills it.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "loop/io.h"

namespace weir {

// A memory-mapped file that outlives a kill of the process (not of the machine, nor needs it to).
// Before foreign code (codec, stage) sees records, begin() notes them; end() clears the note. If
// the thread in between raises a signal that ends the process (SIGSEGV, SIGBUS, SIGILL, SIGFPE,
// SIGABRT) or calls exit(), the note says so. Such an exit() ends the process with 70, whatever it
// asked for, and destroys nothing. _exit() can't be noticed. Records of such a note are run alone
// in the next life, so that the next death names its record exactly. One thread.
//
// Only these deaths count: they follow from the records. A kill from outside (an operator's, the
// OOM killer's) and a death on another lane's thread may strike in between by chance, however
// often, and say nothing about the records. Each lane counts for itself.
class DeathLedger {
 public:
  static constexpr std::size_t kRangesMax = 64;

  // An empty path keeps the ledger in memory only.
  static Result<std::unique_ptr<DeathLedger>> open(const std::string& path);

  ~DeathLedger();
  DeathLedger(const DeathLedger&) = delete;
  DeathLedger& operator=(const DeathLedger&) = delete;

  // `records` are about to be given to foreign code. Costs a few stores per partition run.
  void begin(std::span<const RawRecord> records);
  // The records are decoded and have their keys: what they are given to next is `process`.
  void reach_process();
  void end();

  // True when the process died while one of these records was among those noted: run each alone.
  bool has_suspect_among(std::span<const RawRecord> records) const;

  // How often the process died on this record, as far as known.
  int deaths(const Origin& origin) const;

  // All of those deaths came in `process`: to decode the record and take its key is safe.
  bool died_in_process_only(const Origin& origin) const;

  // Everything below is committed: forget suspects there.
  void forget_below(InputPartition where, NextOffset next);

 private:
  struct Range {
    std::int32_t input;
    std::int32_t partition;
    std::int64_t first;
    std::int64_t last;
    std::int32_t deaths;
    std::int32_t in_process;  // 1: each of them
  };

  struct Page {
    std::uint64_t magic;
    std::uint32_t noted;
    std::uint32_t suspects;
    std::int32_t died;  // the signal that the thread raised over the notes; 0: none, -1: exit()
    std::int32_t in_process;  // what is noted has reached it
    Range notes[kRangesMax];
    Range suspect[kRangesMax];
  };

  DeathLedger() = default;

  static void on_exit();
  static void on_fatal_signal(int signal, siginfo_t* info, void* context);
  static void watch_this_thread();

  void take_over_notes();
  const Range* find(const Origin& origin) const;

  Page* page_ = nullptr;
  static thread_local Page* at_work;  // of the ledger that has begun on this thread
};

}  // namespace weir
