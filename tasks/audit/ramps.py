"""Checks of ramps: the phases of discounts, and in which of them each billing cycle was discounted."""

# The phases of each discount, with the months or cycles before a phase and until its end. The last one has no end here,
# because an extension lengthens it, and other checks see that a discount stays in its window.
_PHASES = """
    SELECT d.project, d.id, phase.number, phase.value,
           coalesce(sum((phase.value ->> 'duration')::integer) OVER (
               PARTITION BY d.project, d.id ORDER BY phase.number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
           ), 0)::integer AS before,
           CASE WHEN phase.number < jsonb_array_length(d.phases) THEN sum((phase.value ->> 'duration')::integer) OVER (
               PARTITION BY d.project, d.id ORDER BY phase.number
           ) END::integer AS until,
           d.duration_in_months IS NOT NULL AS is_in_months
    FROM discounts d CROSS JOIN LATERAL jsonb_array_elements(d.phases) WITH ORDINALITY AS phase (value, number)
"""
# Another system discounted the cycle of an entry u of a discount that was imported as i.
_WAS_ELSEWHERE = "coalesce(u.cycle_start BETWEEN i.first_cycle_start AND i.last_cycle_start, false)"
_IMPORTED = "LEFT JOIN imported_discounts i ON i.project = u.project AND i.discount_id = u.discount_id"

RAMP_CHECKS = {
    "the phases of a discount are those of its voucher, and last as long": """
        SELECT v.project, coalesce(d.id, v.id)::text AS subject,
               format('%s for %s, voucher %s', d.phases, v.whole, v.phases) AS detail
        FROM (
            SELECT project, id, phases, coalesce(duration_in_months, duration_in_cycles) AS whole,
                   (SELECT sum((value ->> 'duration')::integer) FROM jsonb_array_elements(phases)) AS of_phases
            FROM vouchers
        ) v
        LEFT JOIN discounts d ON d.project = v.project AND d.voucher_id = v.id
        WHERE v.of_phases <> v.whole OR (d.id IS NOT NULL AND d.phases IS DISTINCT FROM v.phases)
    """,
    "an entry of a ramp and no other names one of its phases": """
        SELECT u.project, u.id::text AS subject, format('%s of %s', u.phase, d.phases) AS detail
        FROM usage_entries u JOIN discounts d ON d.project = u.project AND d.id = u.discount_id
        WHERE (u.phase IS NULL) <> (d.phases IS NULL) OR u.phase > jsonb_array_length(d.phases)
    """,
    "a cycle of a ramp stays in its phase": """
        SELECT project, discount_id::text AS subject,
               format('cycle from %s: %s', cycle_start, string_agg(DISTINCT phase::text, ', ')) AS detail
        FROM remaining_entries
        WHERE phase IS NOT NULL
        GROUP BY project, discount_id, cycle_start
        HAVING count(DISTINCT phase) > 1
    """,
    "no phase of a ramp has more cycles than it lasts": f"""
        SELECT p.project, p.id::text AS subject, format('%s cycles in phase %s', u.cycles, p.number) AS detail
        FROM ({_PHASES}) p
        JOIN (
            SELECT u.project, u.discount_id, u.phase, count(DISTINCT u.cycle_start) AS cycles
            FROM remaining_entries u {_IMPORTED}
            WHERE u.phase IS NOT NULL AND NOT {_WAS_ELSEWHERE}
            GROUP BY u.project, u.discount_id, u.phase
        ) u ON u.project = p.project AND u.discount_id = p.id AND u.phase = p.number
        WHERE NOT p.is_in_months AND u.cycles > p.until - p.before
    """,  # noqa: S608 - put together from the constant above
    # What was given back has left gaps, or has moved the window.
    "a cycle of a ramp was discounted in the phase of its place": f"""
        SELECT u.project, u.discount_id::text AS subject,
               format('cycle %s, of %s, window from %s: phase %s', u.place, u.cycle_start, u.first, u.phase) AS detail
        FROM (
            SELECT u.project, u.discount_id, u.cycle_start, u.phase,
                   coalesce(i.cycles, 0) + CASE
                       WHEN {_WAS_ELSEWHERE} THEN 0 ELSE count(*) FILTER (WHERE NOT {_WAS_ELSEWHERE}) OVER arrived
                   END AS place,
                   least(i.first_cycle_start, min(u.cycle_start) OVER arrived) AS first
            FROM (
                SELECT DISTINCT ON (project, discount_id, cycle_start)
                       project, discount_id, cycle_start, phase, created_at, id
                FROM usage_entries WHERE phase IS NOT NULL
                ORDER BY project, discount_id, cycle_start, created_at, id
            ) u {_IMPORTED}
            WINDOW arrived AS (PARTITION BY u.project, u.discount_id ORDER BY u.created_at, u.id)
        ) u
        JOIN discounts d ON d.project = u.project AND d.id = u.discount_id AND d.entries_given_back = 0
        JOIN ({_PHASES}) p ON p.project = u.project AND p.id = u.discount_id AND p.number = u.phase
        WHERE CASE
            WHEN p.is_in_months THEN u.cycle_start < u.first + make_interval(months => p.before)
                 OR u.cycle_start >= u.first + make_interval(months => p.until)
            ELSE u.place <= p.before OR u.place > p.until
        END
    """,  # noqa: S608 - put together from the constant above
}
