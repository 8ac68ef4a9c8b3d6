#include "loop/death_ledger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "weir/status.h"

namespace weir {

namespace {
constexpr std::uint64_t kMagic = 0x3167644c72696577;  // "weirLdg1"
}  // namespace

Result<std::unique_ptr<DeathLedger>> DeathLedger::open(const std::string& path) {
  const auto disk_failure = [&path](const char* what) {
    return Status::stop(ExitCode::disk, path + ": can't " + what + ": " + std::strerror(errno));
  };
  int file = -1;
  if (!path.empty()) {
    file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) {
      return disk_failure("open");
    }
    if (::ftruncate(file, sizeof(Page)) != 0) {
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
                               .reserved = 0};
    } else {
      break;  // more runs than places: those that follow are found at a later death
    }
  }
  page_->noted = noted;
}

void DeathLedger::end() {
  page_->noted = 0;
}

void DeathLedger::take_over_notes() {
  for (std::uint32_t i = 0; i < page_->noted; ++i) {
    const Range& note = page_->notes[i];
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
    } else if (page_->suspects < kRangesMax) {
      Range& suspect = page_->suspect[page_->suspects++];
      suspect = note;
      const Origin origin{
          {InputIndex(static_cast<std::uint16_t>(note.input)), Partition(note.partition)},
          Offset(note.first)};
      // A record that died within a range before carries that death on.
      if (note.first == note.last) {
        suspect.deaths = 0;
        suspect.deaths = deaths(origin) + 1;
      }
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

void DeathLedger::forget_below(InputPartition where, NextOffset next) {
  Range* end = page_->suspect + page_->suspects;
  end = std::remove_if(page_->suspect, end, [&](const Range& range) {
    return range.input == where.input.value() && range.partition == where.partition.value() &&
           range.last < next.value();
  });
  page_->suspects = static_cast<std::uint32_t>(end - page_->suspect);
}

}  // namespace weir
