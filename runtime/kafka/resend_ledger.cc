#include "kafka/resend_ledger.h"

namespace weir {

ResendLedger::Count* ResendLedger::find(std::int16_t api_key) {
  switch (api_key) {
    case 22:
      return &init_producer_id_;
    case 24:
      return &add_partitions_;
    case 25:
      return &add_offsets_;
    case 26:
      return &end_txn_;
    case 28:
      return &txn_offset_commit_;
    default:
      return nullptr;
  }
}

void ResendLedger::sent(std::int16_t api_key) {
  if (Count* count = find(api_key)) {
    ++count->sent;
  }
}

void ResendLedger::answered(std::int16_t api_key, bool clean) {
  if (Count* count = find(api_key)) {
    ++(clean ? count->clean : count->unclean);
  }
}

bool ResendLedger::calibrate() {
  const std::uint32_t sent = init_producer_id_.sent;
  const std::uint32_t clean = init_producer_id_.clean;
  const bool is_exact =
      sent > 0 && clean > 0 && clean % sent == 0 && init_producer_id_.unclean == 0;
  calls_per_answer_ = is_exact ? clean / sent : 0;
  return is_exact;
}

void ResendLedger::begin() {
  for (Count* count : {&add_partitions_, &add_offsets_, &end_txn_, &txn_offset_commit_}) {
    count->sent = 0;
    count->clean = 0;
    count->unclean = 0;
  }
}

bool ResendLedger::is_ambiguous(const Count& count) const {
  if (calls_per_answer_ == 0) {
    return count.sent > 0;
  }
  return count.sent * calls_per_answer_ != count.clean;
}

Doubt ResendLedger::doubt() const {
  // The offsets of a late TxnOffsetCommit are kept away only by a member id that is gone.
  if (is_ambiguous(txn_offset_commit_)) {
    return Doubt::producer_and_consumer;
  }
  return is_ambiguous(add_partitions_) || is_ambiguous(add_offsets_) || is_ambiguous(end_txn_)
             ? Doubt::producer
             : Doubt::none;
}

}  // namespace weir
