// Finds the transactional requests that went out without a clean answer.
//
// librdkafka sends such a request again by itself; the late first copy may then strike the next
// transaction of the same producer: commit or abort half of it, or move its offsets back. What
// detects it is counting, because 2.0.2 tells an interceptor no correlation id: of each kind of
// request, clean answers must be `calls per answer` × requests sent.
#pragma once

#include <atomic>
#include <cstdint>

#include "loop/io.h"

namespace weir {

// One per client instance. sent and answered on any thread, the rest on the lane's.
class ResendLedger {
 public:
  // A request of this API key left for the broker, to its last byte.
  void sent(std::int16_t api_key);

  // librdkafka reported an answer, or that there is none (not clean: cut, timed out).
  void answered(std::int16_t api_key, bool clean);

  // Learns from the InitProducerId requests so far how often an answer is reported (2.0.2: twice).
  // False when they were ambiguous themselves; until it is true, every transaction that sent
  // anything is in doubt.
  bool calibrate();

  // A new transaction: forgets what the last one sent.
  void begin();

  // What must be made anew after the transaction that began last.
  Doubt doubt() const;

 private:
  struct Count {
    std::atomic<std::uint32_t> sent{0};
    std::atomic<std::uint32_t> clean{0};
    std::atomic<std::uint32_t> unclean{0};
  };

  Count* find(std::int16_t api_key);
  bool is_ambiguous(const Count& count) const;

  Count init_producer_id_;
  Count add_partitions_;
  Count add_offsets_;
  Count end_txn_;
  Count txn_offset_commit_;
  std::uint32_t calls_per_answer_ = 0;  // 0: not known
};

}  // namespace weir
