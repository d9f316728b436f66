"""What a text costs where there is no vocabulary: enough, whatever it is written in."""

import pytest

from seawall_tokens import Estimator
from seawall_tokens.characters import by_characters
from seawall_tokens.vocabulary import Vocabulary


class Missing(Vocabulary):
    def count(self):
        return None


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("four", 1), ("a 1.5", 2 + 3 / 4), ("é", 0.85), ("水", 1.45), ("🌊", 2.05), ("\ud800", 0.25)],
)
def test_a_digit_is_a_token_and_what_utf_8_needs_more_bytes_for_costs_more(text, tokens):
    assert by_characters(text) == pytest.approx(tokens)


@pytest.mark.parametrize(
    "text",
    [
        "The answer is in the second chapter, where nobody looks for it.",
        "1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987.",
        '{"id": 1004, "at": 52.5200, "of": 13.4050, "x": [0.25, 0.5, 17]}',
        "Größere Änderungen müssen über die Prüfung geführt werden.",
        "Les élèves ont été très étonnés de découvrir où était le trésor.",
        "今天的天气非常好,我们去公园散步,然后在湖边吃午饭。",
        "今日はとても天気がいいので、公園を散歩してから昼食をとりました。",
        "오늘은 날씨가 아주 좋아서 공원을 산책한 후 점심을 먹었습니다.",
        "Сегодня очень хорошая погода, мы пошли гулять в парк.",
        "الطقس جميل جدا اليوم ذهبنا في نزهة إلى الحديقة",
        "आज मौसम बहुत अच्छा है, हम पार्क में टहलने गए।",
        "วันนี้อากาศดีมากเราไปเดินเล่นในสวนสาธารณะ",
        "😀🎉🚀🌊🔥👍💡🧪",
    ],
)
def test_the_bound_holds_in_any_script_and_is_no_more_than_three_times_too_much(text):
    request = {"model": "claude-opus-4-5", "messages": [{"role": "user", "content": text * 40}]}
    counted = Estimator().estimate_request(request).tokens
    bound = Estimator(vocabulary=Missing()).estimate_request(request).upper_bound
    assert counted <= bound <= 3 * counted
