// JSON to protobuf wire bytes: the codec against protobuf's own parser, on real records. The
// counter `per_record` (seconds of CPU) is what to compare; run with --benchmark_repetitions and
// take medians.
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <google/protobuf/util/json_util.h>

#include "comments/v1/comment.pb.h"
#include "edits/v1/edit.pb.h"

#include "codec/lane_codec.h"

namespace weir {
namespace {

// Real records: comments of the YouTube Spam Collection (CC BY 4.0), edits of Wikimedia's public
// feed. See NOTICE.
// clang-format off
constexpr std::string_view kComments[] = {
    R"json({"comment_id": "LZQPQhLyRh9vw01Xvvw5yWzZEUOPG1hSgRMHep55-Yw", "video": "Psy", "author": "uf59eee629085", "date": "2013-12-27T23:07:50", "content": "Hey guys! Im a 12 yr old music producer. I make chiptunes and 8bit music.  It would be wonderful if you checked out some of my 8bit remixes! I even  have a gangnamstyle 8bit remix if you would like to check that out ;)  Thanks!!", "class": 1})json",
    R"json({"comment_id": "z13osnp4hnzry1o15224yfzbotr0epxqk04", "video": "Psy", "author": "uaaba4bf586b1", "date": "2014-01-20T21:11:52", "content": "Subscribe ME!﻿", "class": 1})json",
    R"json({"comment_id": "z13qgx0yzwf1uj1xm04ccbkhjnrsgz0i41g", "video": "Psy", "author": "u2200cf4df1e0", "date": "2014-11-04T14:38:42", "content": "please subscribe i am a new youtuber and need help please subscribe and i  will subscribe back :D hoppa HOPPA GaNgAm StYlE﻿", "class": 1})json",
    R"json({"comment_id": "z12lsp3pnmqlirwwk04cepijkvrustgbcgs", "video": "Psy", "author": "ub5888404d3c6", "date": "2014-11-07T16:38:47", "content": "P E A C E  &amp;  L O V E  ! !﻿", "class": 0})json",
    R"json({"comment_id": "z13oc52ihn22tfz3n231vv4bvxrujn0f0", "video": "Psy", "author": "u367d15d76c62", "date": "2014-11-07T21:39:21", "content": " Follow me on Instagram. _chris_cz  ﻿", "class": 1})json",
    R"json({"comment_id": "z13pzv4gkkj3hpe4g04ccdma2vbtcliiu1c", "video": "Psy", "author": "u865120c0e16c", "date": "2014-11-12T09:30:31", "content": "WORLD RECORD YOUTUBE VIDEO VIEWS !!!!!! XD﻿", "class": 0})json",
    R"json({"comment_id": "z13zyrkanyf2y3cxw04chznrcxmefpkpf3s", "video": "KatyPerry", "author": "u2521d03c4c45", "date": "2014-09-23T10:42:34", "content": "Where did she find all that make up in a freakin jungle?!﻿", "class": 0})json",
    R"json({"comment_id": "z12yj3cwwqf4vlb2d23au5zhhvjpjth2o", "video": "KatyPerry", "author": "u7ab8d361b17b", "date": "2014-09-25T02:20:26", "content": "In the beginning she was scared off everything and next thing you know she  is out in a leopard bikini!﻿", "class": 0})json",
    R"json({"comment_id": "z13uubvixwruz1bjo04cjzia5mn4jna5bo40k", "video": "KatyPerry", "author": "u6d286e03e5d2", "date": "2014-09-29T19:18:09", "content": "https://vimeo.com/107297364﻿", "class": 1})json",
    R"json({"comment_id": "z125zruy3pfweniga04celt52kjjjxvgik40k", "video": "Eminem", "author": "u0ac92e05e18a", "date": null, "content": "Check out this video on YouTube:﻿", "class": 1})json",
    R"json({"comment_id": "z12dhdyq0lrxvfnkc23audjzgyjlhjoi204", "video": "Eminem", "author": "ub786c05d4cb1", "date": null, "content": "Check out this video on YouTube:﻿", "class": 1})json",
    R"json({"comment_id": "z13ui5tzlzucinaab04chvzqps22cxhznxc0k", "video": "Eminem", "author": "u8c6936292c53", "date": "2015-05-27T23:35:12.915000", "content": "that is megan fox﻿", "class": 0})json",
    R"json({"comment_id": "LneaDw26bFsXWfdCYFbqrDwjflNnbdxcinzjRtW2rzw", "video": "Eminem", "author": "u04e9cb45f23a", "date": null, "content": "Share this video.. This song can beat PSY - Gangnam Style!", "class": 1})json",
    R"json({"comment_id": "z133sxsrnzbuwbe2o22iizkhvyicd5z0t", "video": "Eminem", "author": "u62cda9683dd8", "date": "2015-05-23T12:12:59.082000", "content": "Never gets old best song ever  ❤﻿", "class": 0})json",
    R"json({"comment_id": "z12qg5voponpgxwot04ci3txdw24ejr431g", "video": "Eminem", "author": "u325caf865bcc", "date": "2015-05-21T01:05:43.761000", "content": "I  love you Eminem﻿", "class": 0})json",
    R"json({"comment_id": "z13tjzdqhsmvvh2kr22isbsg1nmydd51v", "video": "Eminem", "author": "u14665a66c8de", "date": "2015-05-19T22:35:44.690000", "content": "Me and my big sister like you﻿", "class": 0})json",
};

constexpr std::string_view kEdits[] = {
    R"json({"time":"2015-09-12T02:50:14.331Z","channel":"#en.wikipedia","cityName":null,"comment":"/* Periodicals */","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"User","page":"User:Bellerophon5685/sandbox","regionIsoCode":null,"regionName":null,"user":"Bellerophon5685","delta":65,"added":65,"deleted":0})json",
    R"json({"time":"2015-09-12T05:20:42.976Z","channel":"#de.wikipedia","cityName":null,"comment":"/* ANNO */","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Benutzer Diskussion","page":"Benutzer Diskussion:Mö1997","regionIsoCode":null,"regionName":null,"user":"Vinci2003","delta":198,"added":198,"deleted":0})json",
    R"json({"time":"2015-09-12T05:53:18.050Z","channel":"#vi.wikipedia","cityName":null,"comment":"fix using [[Project:AWB|AWB]]","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":true,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Bayralar, Elmalı","regionIsoCode":null,"regionName":null,"user":"TuanUt","delta":18,"added":18,"deleted":0})json",
    R"json({"time":"2015-09-12T06:17:14.256Z","channel":"#en.wikipedia","cityName":null,"comment":"/* 2015 */","countryIsoCode":"PH","countryName":"Philippines","isAnonymous":true,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"List of Filipino films and TV series based on Wattpad stories","regionIsoCode":null,"regionName":null,"user":"122.52.74.125","delta":17,"added":17,"deleted":0})json",
    R"json({"time":"2015-09-12T06:49:09.830Z","channel":"#en.wikipedia","cityName":"Fall Creek","comment":"Vandalism undo","countryIsoCode":"US","countryName":"United States","isAnonymous":true,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":702,"namespace":"Main","page":"Junior (1994 film)","regionIsoCode":"WI","regionName":"Wisconsin","user":"71.95.93.70","delta":-3,"added":0,"deleted":3})json",
    R"json({"time":"2015-09-12T07:43:11.095Z","channel":"#vi.wikipedia","cityName":null,"comment":"fix using [[Project:AWB|AWB]]","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":true,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Ardisia congestiflora","regionIsoCode":null,"regionName":null,"user":"TuanUt-Bot!","delta":36,"added":36,"deleted":0})json",
    R"json({"time":"2015-09-12T09:48:35.740Z","channel":"#ca.wikipedia","cityName":null,"comment":"/* Sant Adrià de Besòs */ Parc del Besòs (Sant Adrià de Besòs)|Parc del Besòs per desambiguar amb l'estació del tramvia","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Llista de monuments del Barcelonès Nord","regionIsoCode":null,"regionName":null,"user":"Pere prlpz","delta":40,"added":40,"deleted":0})json",
    R"json({"time":"2015-09-12T10:08:41.447Z","channel":"#vi.wikipedia","cityName":null,"comment":"AlphamaEditor","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":true,"isUnpatrolled":true,"metroCode":null,"namespace":"Main","page":"Aristocypha cuneata","regionIsoCode":null,"regionName":null,"user":"TuanminhBot","delta":18,"added":18,"deleted":0})json",
    R"json({"time":"2015-09-12T10:49:47.519Z","channel":"#en.wikipedia","cityName":null,"comment":"/* Racism accusations */ pejorative is used in the Wiki article on the term 'mulatto'","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Oath Keepers","regionIsoCode":null,"regionName":null,"user":"Uenuku","delta":15,"added":15,"deleted":0})json",
    R"json({"time":"2015-09-12T13:57:57.792Z","channel":"#vi.wikipedia","cityName":null,"comment":"AlphamaEditor","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":true,"isUnpatrolled":true,"metroCode":null,"namespace":"Main","page":"Astragalus hulunensis","regionIsoCode":null,"regionName":null,"user":"TuanminhBot","delta":18,"added":18,"deleted":0})json",
    R"json({"time":"2015-09-12T13:58:26.611Z","channel":"#vi.wikipedia","cityName":null,"comment":"Lỗi CS1: ngày tháng","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":true,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Campylopus heterostachys","regionIsoCode":null,"regionName":null,"user":"TuHan-Bot","delta":18,"added":18,"deleted":0})json",
    R"json({"time":"2015-09-12T15:54:34.799Z","channel":"#fr.wikipedia","cityName":null,"comment":"Maintenance modèle avec [[Wikipédia:AutoWikiBrowser|AWB]]","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Catégorie","page":"Catégorie:Championnat du monde en 1988","regionIsoCode":null,"regionName":null,"user":"FDo64","delta":-9,"added":0,"deleted":9})json",
    R"json({"time":"2015-09-12T16:25:41.851Z","channel":"#ru.wikipedia","cityName":null,"comment":"оформление","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":true,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Шестицилиндровые двигатели","regionIsoCode":null,"regionName":null,"user":"Malbakov Korkem Shamshievih","delta":0,"added":0,"deleted":0})json",
    R"json({"time":"2015-09-12T16:29:08.516Z","channel":"#fr.wikipedia","cityName":"Épernay","comment":"Ajout lien le trou","countryIsoCode":"FR","countryName":"France","isAnonymous":true,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":true,"metroCode":null,"namespace":"Main","page":"José Giovanni","regionIsoCode":"51","regionName":"Marne","user":"84.97.56.93","delta":4,"added":4,"deleted":0})json",
    R"json({"time":"2015-09-12T17:00:47.693Z","channel":"#fr.wikipedia","cityName":null,"comment":"/* États avec une reconnaissance limitée */ ajout","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":false,"isNew":false,"isRobot":false,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Liste des pays d'Europe","regionIsoCode":null,"regionName":null,"user":"Lotus 50","delta":1453,"added":1453,"deleted":0})json",
    R"json({"time":"2015-09-12T18:00:54.945Z","channel":"#vi.wikipedia","cityName":null,"comment":"clean up using [[Project:AWB|AWB]]","countryIsoCode":null,"countryName":null,"isAnonymous":false,"isMinor":false,"isNew":false,"isRobot":true,"isUnpatrolled":false,"metroCode":null,"namespace":"Main","page":"Bothrops jararacussu","regionIsoCode":null,"regionName":null,"user":"ThitxongkhoiAWB","delta":18,"added":18,"deleted":0})json",
};

// clang-format on

constexpr std::size_t kBatchRecords = 1000;

template <class M>
std::span<const std::string_view> rows();

template <>
std::span<const std::string_view> rows<comments::v1::Comment>() {
  return kComments;
}

template <>
std::span<const std::string_view> rows<edits::v1::Edit>() {
  return kEdits;
}

template <class M>
std::vector<std::string> key();

template <>
std::vector<std::string> key<comments::v1::Comment>() {
  return {"comment_id"};
}

template <>
std::vector<std::string> key<edits::v1::Edit>() {
  return {"time", "user", "page"};
}

void report(benchmark::State& state, std::size_t records, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
  state.counters["per_record"] = benchmark::Counter(
      static_cast<double>(records),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
  state.counters["record_bytes"] = static_cast<double>(bytes) / static_cast<double>(records);
}

// The whole codec: dedup key, unknown fields, and for edits the event time.
template <class M>
void codec(benchmark::State& state) {
  InputFormat input;
  input.descriptor = M::descriptor();
  input.options.key = key<M>();
  if (std::is_same_v<M, edits::v1::Edit>) {
    input.options.event_time =
        EventTime{.field = "edited_at", .from = "time", .format = TimeFormat::rfc3339, .zone = ""};
  } else {
    input.options.event_time = EventTime{
        .field = "posted_at", .from = "date", .format = TimeFormat::zoneless, .zone = "UTC"};
    input.options.rename = {{"class", "label"}};
  }
  auto codec = LaneCodec::make({&input, 1}, nullptr).value();
  // As from a broker: one after the other in one buffer.
  std::string log;
  std::vector<std::size_t> ends;
  for (std::size_t i = 0; i < kBatchRecords; ++i) {
    log += rows<M>()[i % rows<M>().size()];
    ends.push_back(log.size());
  }
  std::vector<RawRecord> records(kBatchRecords);
  for (std::size_t i = 0; i < kBatchRecords; ++i) {
    const std::size_t from = i == 0 ? 0 : ends[i - 1];
    records[i].value = std::string_view(log).substr(from, ends[i] - from);
  }
  std::vector<Decoded> decoded(kBatchRecords);
  for (auto _ : state) {
    codec->decode(records, decoded);
    benchmark::DoNotOptimize(decoded.data());
  }
  for (const Decoded& one : decoded) {
    if (!one.status.is_ok()) {
      state.SkipWithError(one.status.message().c_str());
      return;
    }
  }
  report(state, kBatchRecords, log.size());
}

// protobuf's parser into a reused message, and that to bytes.
template <class M>
void json_string_to_message(benchmark::State& state) {
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  M message;
  std::string wire;
  std::size_t bytes = 0;
  for (const std::string_view row : rows<M>()) {
    bytes += row.size();
  }
  for (auto _ : state) {
    for (const std::string_view row : rows<M>()) {
      message.Clear();
      if (!google::protobuf::util::JsonStringToMessage({row.data(), row.size()}, &message, options)
               .ok()) {
        state.SkipWithError("refused");
        return;
      }
      message.SerializeToString(&wire);
      benchmark::DoNotOptimize(wire.data());
    }
  }
  report(state, rows<M>().size(), bytes);
}

// The floor: a copy of the bytes.
template <class M>
void copy(benchmark::State& state) {
  std::string to(4096, '\0');
  std::size_t bytes = 0;
  for (const std::string_view row : rows<M>()) {
    bytes += row.size();
  }
  for (auto _ : state) {
    for (const std::string_view row : rows<M>()) {
      std::memcpy(to.data(), row.data(), row.size());
      benchmark::DoNotOptimize(to.data());
    }
  }
  report(state, rows<M>().size(), bytes);
}

BENCHMARK(codec<comments::v1::Comment>);
BENCHMARK(json_string_to_message<comments::v1::Comment>);
BENCHMARK(copy<comments::v1::Comment>);
BENCHMARK(codec<edits::v1::Edit>);
BENCHMARK(json_string_to_message<edits::v1::Edit>);
BENCHMARK(copy<edits::v1::Edit>);

}  // namespace
}  // namespace weir

BENCHMARK_MAIN();
