"""Verdict, outcome and risk factors of a case from the JSON of its trace alone; shares no code with the package."""

from __future__ import annotations

from datetime import date, timedelta


def cohort(trace):
    """Return the first exclusion that hits, or None, and check that the lines make the procedure."""
    lines = by_number(trace)
    procedure_is_made(trace, lines)
    for decision in trace["exclusions"]:
        if EXCLUDES[decision["rule"]](trace, decision, lines):
            return decision["clause"].split("[")[1].rstrip("]")
    return None


def by_number(trace):
    return {line["line"]: line for line in trace["lines"]}


def procedure_is_made(trace, lines):
    """The facility's lines of the day carry the codes, and the highest work RVU names the index code."""
    own = trace["procedure"]
    units = []
    qualifying = set()
    for decision in trace["candidate"]:
        if decision["rule"] == "qualifying_codes":
            qualifying = {code["line"] for code in decision["found"]["codes"] if code["listed"]}
        elif decision["rule"] == "one_procedure_per_person_day_facility":
            record = decision["found"]
        else:
            units += [(number, unit) for number in decision["lines"] if (unit := unit_of(lines, number, decision))]
    units = [(number, unit) for number, unit in units if number in qualifying]
    wanted = None if record["day_is_one"] else own["facility_id"] or "none"
    mine = {number for number, unit in units if wanted in (None, unit)}
    codes = sorted({lines[n].get("hcpcs") or lines[n].get("code") for n in mine})
    assert codes == own["codes"].split()
    values = {code["code"]: code["work_rvu"] for code in record["codes"]}
    assert sorted(values) == codes
    best = sorted(codes, key=lambda c: (values[c] is None, -(values[c] or 0), c))[0]
    assert (best, len(codes)) == (own["index_code"], own["qualifying_procedures"])


def unit_of(lines, number, decision):
    """The unit that a line belongs to under a clause, `none` where it has no key; None for another line."""
    line, asks, absent = lines[number], decision["parameters"], set(decision["found"]["absent_columns"])
    where, is_one = INDEX_LINES[decision["rule"]]
    if line["table"] != where:
        return None
    if where == "procedures":
        line = next(c for c in lines.values() if c["table"] == "inpatient_claims" and c["claim_id"] == line["claim_id"])
    if not is_one(line, asks, absent):
        return None
    keys = [line[key] for key in asks["facility_keys"] if line[key]]
    return [*keys, "none"][0]


def of_center(line, asks, absent):
    at_place = line["place_of_service"] in asks["place_of_service"]
    known = {"professional_lines.type_of_service", "professional_lines.specialty"} - absent
    by_type = line["type_of_service"] in asks["type_of_service"]
    return by_type or (line["specialty"] in asks["specialty"] and at_place) if known else at_place


def of_surgeon(line, asks, absent):
    others = line["specialty"] in asks["specialty_not"] or line["type_of_service"] in asks["type_of_service_not"]
    marks = set(asks["modifiers_not"]) & set((line["modifiers"] or "").split())
    return line["place_of_service"] in asks["place_of_service"] and not others and not marks


def of_hospital(line, asks, absent):
    if f"{line['table']}.bill_type" in absent:
        return True
    return (line["bill_type"] or "")[:2] in asks["bill_types"]


INDEX_LINES = {
    "asc_facility_line": ("professional_lines", of_center),
    "surgeon_line": ("professional_lines", of_surgeon),
    "hospital_outpatient_line": ("outpatient_lines", of_hospital),
    "inpatient_procedure": ("procedures", of_hospital),
}


def day_of(trace):
    return date.fromisoformat(trace["procedure"]["procedure_date"])


def outside_period(trace, decision, lines):
    period = decision["found"]["period"]
    return period is not None and not period[0] <= trace["procedure"]["procedure_date"] <= period[1]


def facility_unknown(trace, decision, lines):
    return trace["procedure"]["facility_id"] is None


def discontinued(trace, decision, lines):
    marks = set(decision["parameters"]["modifiers"])
    return all(marks & set((lines[n].get("modifiers") or "").split()) for n in decision["lines"])


def birth(trace, lines):
    people = [line for line in trace["lines"] if line["table"] == "people"]
    return people[0]["birth_date"] if people else None


def person_unknown(trace, decision, lines):
    return birth(trace, lines) is None


def age(trace, lines):
    born = birth(trace, lines)
    if born is None:
        return None
    born, day = date.fromisoformat(born), day_of(trace)
    return day.year - born.year - (1 if (day.month, day.day) < (born.month, born.day) else 0)


def age_below(trace, decision, lines):
    years = age(trace, lines)
    return years is not None and years < decision["parameters"]["age_years"]


def months_between(first, last):
    return range(first.year * 12 + first.month - 1, last.year * 12 + last.month)


def lacking(trace, decision, lines, months):
    asks = decision["parameters"]
    good = {
        lines[n]["month"]
        for n in decision["lines"]
        if lines[n]["table"] == "enrollment"
        and lines[n]["buy_in"] in asks["buy_in"]
        and (lines[n]["hmo"] or "") in asks["hmo"]
    }
    return any(month not in good for month in months)


def not_enrolled_before(trace, decision, lines):
    day = day_of(trace)
    this = day.year * 12 + day.month - 1
    return lacking(trace, decision, lines, range(this - decision["parameters"]["months"], this + 1))


def not_enrolled_after(trace, decision, lines):
    last = day_of(trace) + timedelta(days=decision["parameters"]["last_day"])
    deaths = [line["death_date"] for line in trace["lines"] if line["table"] == "people" and line["death_date"]]
    if deaths and date.fromisoformat(deaths[0]) <= last:
        return False
    return lacking(trace, decision, lines, months_between(day_of(trace), last))


def concurrent_code(trace, decision, lines):
    same_day = [c for c in decision["found"]["codes_of_the_day"] if days_after(lines, c["line"]) == 0]
    return any(code["listed"] for code in same_day)


def diagnosis_present(trace, decision, lines):
    asks, found = decision["parameters"], decision["found"]
    first, last = found.get("window_days", (0, -1))
    at_visits = [
        tuple(claim)
        for visit in found["visits_in_window"]
        if first <= visit["days_after"] <= last
        for claim in visit["claims"]
    ]
    for listed in found["listed_diagnoses"]:
        line = lines[listed["line"]]
        before = -line["days_after"]
        if 1 <= before <= asks["history_days"] or (asks["index_day"] and before == 0):
            return True
        if asks["index_claim"] and line["claim_id"] == trace["procedure"]["claim_id"]:
            return True
        if (line["claim_id"], line["setting"]) in at_visits:
            return True
    return False


def followed(trace, decision, lines):
    return any(1 <= days_after(lines, n) <= decision["parameters"]["within_days"] for n in decision["lines"])


def days_after(lines, number):
    """Days to a line; a procedure without a day of its own was done on the day of admission."""
    line = lines[number]
    if "days_after" in line:
        return line["days_after"]
    claims = [c for c in lines.values() if c["table"] == "inpatient_claims" and c["claim_id"] == line["claim_id"]]
    return claims[0]["days_after"]


EXCLUDES = {
    "outside_period": outside_period,
    "facility_unknown": facility_unknown,
    "discontinued_modifier": discontinued,
    "person_unknown": person_unknown,
    "age_below": age_below,
    "not_enrolled_before": not_enrolled_before,
    "not_enrolled_after": not_enrolled_after,
    "concurrent_code": concurrent_code,
    "diagnosis_present": diagnosis_present,
    "followed_by_procedure": followed,
}


def visits(trace):
    """Return (type, day, planned, rule, counted) of every visit, decided again from lines and entries."""
    lines = by_number(trace)
    first, last = trace["measure"]["window_days"]
    decided = []
    for visit in trace["visits"]:
        assert is_index_stay(trace, visit, lines) == ("left_out_as" in visit)
        if "left_out_as" in visit:
            continue
        assert first <= visit["days_after"] <= last
        planned, rule = False, "never_planned_visit_type"
        if visit["visit_type"] == "inpatient":
            planned, rule = is_planned(visit, lines)
        else:
            assert any(shows(clause, lines, visit) for clause in visit["shown_by"])
        asks = next(d for d in visit["decisions"] if d["rule"] == "outcome_window")["parameters"]
        dropped = planned and asks["planned"] == "drop"
        counted = not dropped and not in_stay(visit, lines) and not later_procedure(trace, visit)
        decided.append((visit["visit_type"], visit["days_after"], planned, rule, counted))
    return decided


def is_index_stay(trace, visit, lines):
    """The definition leaves out the stay of the procedure, and a claim of this stay is that of the procedure."""
    asked = any(d["rule"] == "index_stay_is_no_visit" for d in visit["decisions"])
    claims = {lines[n]["claim_id"] for n in visit["lines"] if lines[n]["table"] == "inpatient_claims"}
    return asked and trace["procedure"]["claim_id"] in claims


def shows(clause, lines, visit):
    """Some line of the visit carries a code of the clause on the day of the visit."""
    asks = clause["parameters"]
    if "codes" not in asks:
        return clause["rule"] == "ed_on_planned_stay"
    column = "revenue_code" if asks["code_system"] == "revenue" else "hcpcs"
    return any(
        lines[n].get(column) in asks["codes"] and lines[n]["days_after"] == visit["days_after"] for n in visit["lines"]
    )


def is_planned(visit, lines):
    decision = next(d for d in visit["decisions"] if d["rule"] == "planned_admission_tables")
    found = decision["found"]
    principal = principal_of(found, lines)
    assert principal == (found["principal_diagnosis"] or {}).get("code")
    if any(p["PA1"] for p in found["procedures"]):
        return True, "PA1"
    if principal and found["principal_diagnosis"]["PA2"]:
        return True, "PA2"
    if not any(p["PA3"] for p in found["procedures"]):
        return False, "no_planned_procedure"
    if not principal:
        return found["missing_principal_is_planned"], "missing_principal_diagnosis"
    if found["principal_diagnosis"]["PA4"]:
        return False, "PA4"
    return True, "PA3"


def principal_of(found, lines):
    """Of the claims that made the visit and share its first day: the last service day, then the smallest number."""
    asks = found["visit_rule"]
    made = []
    for number in found["claims_of_visit"]:
        claim = lines[number]
        ccn, bill = claim["provider_ccn"], claim["bill_type"]
        acute = ccn is None or ccn[2] in asks["ccn_third"] or ccn[2:4] in asks["ccn_third_fourth"]
        if acute and (bill is None or bill[:2] in asks["bill_types"]):
            made.append(claim)
    start = min(claim["admission_date"] for claim in made)
    usable = [c for c in made if c["admission_date"] == start and c["principal_icd_version"] == 10]
    usable = [c for c in usable if c["principal_diagnosis"]]
    usable.sort(key=lambda c: c["claim_id"])
    usable.sort(key=lambda c: c["thru_date"] or "", reverse=True)
    return usable[0]["principal_diagnosis"] if usable else None


def in_stay(visit, lines):
    if visit["route"] != "professional":
        return False
    numbers = [n for d in visit["decisions"] for n in d["found"].get("part_of_stays", [])]
    return any(lines[n]["admission_date"] <= visit["start_date"] <= (lines[n]["discharge_date"] or "") for n in numbers)


def later_procedure(trace, visit):
    own = trace["procedure"]["procedure_date"]
    return any(own < other["procedure_date"] <= visit["start_date"] for other in trace["other_index_procedures"])


def factors(trace):
    """Return every column of the risk factors, from diagnoses, lines and what the clauses state."""
    lines = by_number(trace)
    history = next(r for r in trace["risk_rules"] if r["clause"] == "risk")["parameters"]["history_days"]
    day_settings = {s for r in trace["risk_rules"] if ".index_day_claims" in r["clause"] for s in r["answer"]}
    late = {c for r in trace["risk_rules"] if ".complication_of_care" in r["clause"] for c in r["answer"]}
    near = []
    for diagnosis in trace["diagnoses"]:
        line = lines[diagnosis["line"]]
        before = -line["days_after"]
        assert line["icd_version"] == 10
        if 1 <= before <= history or (before == 0 and line["setting"] in day_settings):
            near.append((line["code"], before > 0, set(diagnosis["categories"])))
    values, columns = {}, {}
    for decision in trace["risk_factors"]:
        name = decision["clause"].split("[")[1].rstrip("]")
        if decision["rule"] == "interaction":
            first, second = decision["parameters"]["factors"]
            own = {f"{a}_x_{b}": values[a] * values[b] for a in columns[first] for b in columns[second]}
        else:
            own = FACTORS[decision["rule"]](trace, decision, name, near, late, lines)
        columns[name] = list(own)
        values |= own
    return values


def banded(decision, name, value):
    lows = decision["parameters"]["lower_bounds"]
    found = {}
    for position, low in enumerate(lows[1:], start=1):
        high = lows[position + 1] - 1 if position + 1 < len(lows) else None
        label = (
            f"{low}_plus"
            if high is None
            else str(low)
            if high == low and "procedure_count" in decision["rule"]
            else f"{low}_{high}"
        )
        found[f"{name}_{label}"] = int(value >= low and (high is None or value <= high))
    return found


def condition(trace, decision, name, near, late, lines):
    wanted = set(decision["parameters"]["categories"])
    hit = any((own & wanted) - (set() if history else late) for _, history, own in near)
    return {name: int(hit)}


def coded(trace, decision, name, near, late, lines):
    patterns = decision["parameters"]["codes"]
    return {name: int(any(listed(code, patterns) for code, _, _ in near))}


def listed(code, patterns):
    for pattern in patterns:
        if ".." in pattern:
            first, last = pattern.split("..")
            if len(code) == len(first) and first <= code <= last:
                return True
        elif code.startswith(pattern[:-1]) if pattern.endswith("*") else code == pattern:
            return True
    return False


FACTORS = {
    "condition_category": condition,
    "diagnosis_code": coded,
    "age_bands": lambda t, d, name, near, late, lines: banded(d, name, age(t, lines)),
    "years_over": lambda t, d, name, near, late, lines: {name: age(t, lines) - d["parameters"]["start_years"]},
    "work_rvu": lambda t, d, name, near, late, lines: {
        name: next(
            c["work_rvu"]
            for r in t["candidate"]
            if r["rule"] == "one_procedure_per_person_day_facility"
            for c in r["found"]["codes"]
            if c["code"] == t["procedure"]["index_code"]
        )
    },
    "procedure_count": lambda t, d, name, near, late, lines: banded(d, name, t["procedure"]["qualifying_procedures"]),
    "procedure_type": lambda t, d, name, near, late, lines: {
        f"{name}_{kind}": int(kind in d["found"]["types_of_code"])
        for kind in d["parameters"]["types"]
        if kind != d["parameters"]["reference"]
    },
    "same_day_code": lambda t, d, name, near, late, lines: {
        name: int(any(c["listed"] and lines[c["line"]]["days_after"] == 0 for c in d["found"]["codes_of_the_day"]))
    },
}
