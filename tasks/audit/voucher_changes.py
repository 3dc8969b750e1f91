"""Checks of the history of vouchers: what it tells is what happened to the voucher, to its codes and generations."""

_AMOUNTS = """
    CASE WHEN v.{currency} IS NOT NULL THEN jsonb_build_object(
        'amount', v.{amounts} -> v.{currency}, 'currency', v.{currency}, 'currencyOptions', v.{amounts} - v.{currency}
    ) END
"""
_PHASES = """
    (
        SELECT jsonb_agg(jsonb_build_object(
            'priceDiscount', CASE WHEN phase ->> 'currency' IS NOT NULL THEN jsonb_build_object(
                'amount', phase -> 'amounts_minor' -> (phase ->> 'currency'), 'currency', phase -> 'currency',
                'currencyOptions', (phase -> 'amounts_minor') - (phase ->> 'currency')
            ) END,
            'priceDiscountPercentage', (phase ->> 'percentage_millionths')::integer / 10000.0,
            'durationInMonths', CASE WHEN v.duration_in_months IS NOT NULL THEN phase -> 'duration' END,
            'durationInCycles', CASE WHEN v.duration_in_cycles IS NOT NULL THEN phase -> 'duration' END
        ) ORDER BY number)
        FROM jsonb_array_elements(v.phases) WITH ORDINALITY AS phases (phase, number)
    )
"""
# The present fields of each voucher as the history shows them.
_PRESENT = f"""
    SELECT v.project, v.id, field.key, field.value
    FROM vouchers v
    CROSS JOIN LATERAL jsonb_each(jsonb_build_object(
        'name', v.name,
        'code', v.code,
        'campaign', v.campaign,
        'priceDiscount', {_AMOUNTS.format(amounts="amounts_minor", currency="currency")},
        'priceDiscountPercentage', v.percentage_millionths / 10000.0,
        'recurrence', jsonb_build_object(
            'type', v.recurrence,
            'durationInMonths', CASE WHEN v.phases IS NULL THEN v.duration_in_months END,
            'durationInCycles', CASE WHEN v.phases IS NULL THEN v.duration_in_cycles END,
            'phases', {_PHASES}
        ),
        'carryOver', v.carry_over,
        'exclusive', v.exclusive,
        'priority', v.priority,
        'stampCard', CASE WHEN v.stamps_required IS NOT NULL THEN jsonb_build_object(
            'stamps', v.stamps_required, 'expireDays', v.stamp_expire_days
        ) END,
        'maximumDiscount', {_AMOUNTS.format(amounts="maximum_discount_minor", currency="maximum_discount_currency")},
        'maximumDiscountInAll', {
    _AMOUNTS.format(amounts="maximum_discount_in_all_minor", currency="maximum_discount_in_all_currency")
},
        'budget', {_AMOUNTS.format(amounts="budget_minor", currency="budget_currency")},
        'metadata', v.metadata::jsonb,
        'restrictions.startsAt', v.starts_at,
        'restrictions.expiresAt', v.expires_at,
        'restrictions.maximumRedemptions', v.maximum_redemptions,
        'restrictions.maximumRedemptionsPerCustomer', v.maximum_redemptions_per_customer,
        'restrictions.products', v.products,
        'restrictions.excludedProducts', v.excluded_products,
        'restrictions.firstPurchaseOnly', v.first_purchase_only,
        'restrictions.minimumSubtotal', CASE WHEN v.minimum_subtotal_minor IS NOT NULL THEN jsonb_build_object(
            'amount', v.minimum_subtotal_minor, 'currency', v.minimum_subtotal_currency,
            'on', CASE WHEN v.minimum_subtotal_on_invoice THEN 'invoice' ELSE 'redemption' END
        ) END
    )) field
"""  # noqa: S608 - put together from the constants above


def _with_on(value: str) -> str:
    # A change that was told before the minimum subtotal could be one of invoices.
    return f"""
        CASE WHEN key = 'minimumSubtotal' AND {value} <> 'null'
        THEN '{{"on": "redemption"}}'::jsonb || {value} ELSE {value} END
    """


# Each field that an update changed, with the value before and after, and the value after the change before that.
# Redemptions, sweeps and ends of subscriptions change the status too, so it is left out.
_FIELDS = f"""
    SELECT project, voucher_id, key, before, after,
           lag(after) OVER (PARTITION BY project, voucher_id, key ORDER BY id) AS earlier,
           lead(id) OVER (PARTITION BY project, voucher_id, key ORDER BY id) IS NULL AS is_last
    FROM (
        SELECT c.project, c.voucher_id, c.id, part.key, part.before, part.after
        FROM voucher_changes c
        CROSS JOIN LATERAL (
            -- Changes of a time before there were phases do not name them.
            SELECT key, CASE key WHEN 'recurrence' THEN '{{"phases": null}}' || value ELSE value END AS before,
                   CASE key WHEN 'recurrence' THEN '{{"phases": null}}' || (c.after::jsonb -> key)
                   ELSE c.after::jsonb -> key END AS after
            FROM jsonb_each(c.before::jsonb - '{{restrictions, status, retiredReason, retiredAt}}'::text[])
            UNION ALL
            SELECT 'restrictions.' || key, {_with_on("value")}, {_with_on("(c.after::jsonb -> 'restrictions' -> key)")}
            FROM jsonb_each(c.before::jsonb -> 'restrictions')
        ) part
    ) of_updates
"""  # noqa: S608 - put together from our own names

VOUCHER_CHANGE_CHECKS = {
    "the history of a voucher begins with its creation": """
        SELECT v.project, v.id::text AS subject, format('created %s, told %s', v.created_at, c.created_at) AS detail
        FROM vouchers v
        LEFT JOIN voucher_changes c ON c.project = v.project AND c.voucher_id = v.id AND c.kind = 'created'
        WHERE c.created_at IS DISTINCT FROM v.created_at
    """,
    "a voucher was retired by hand if its history says so": """
        SELECT v.project, v.id::text AS subject,
               format('%s %s, told %s', v.retired_reason, v.retired_at, c.created_at) AS detail
        FROM vouchers v
        LEFT JOIN voucher_changes c ON c.project = v.project AND c.voucher_id = v.id AND c.kind = 'retired'
        WHERE c.created_at IS DISTINCT FROM CASE WHEN v.retired_reason = 'manualAction' THEN v.retired_at END
    """,
    "the last update of a voucher is in its history": """
        SELECT v.project, v.id::text AS subject, format('updated %s, told %s', v.updated_at, c.latest) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT project, voucher_id, max(created_at) AS latest
            FROM voucher_changes WHERE kind = 'updated' GROUP BY project, voucher_id
        ) c ON c.project = v.project AND c.voucher_id = v.id
        WHERE c.latest IS DISTINCT FROM v.updated_at
    """,
    "a voucher is as its updates have left it": f"""
        SELECT f.project, f.voucher_id::text AS subject,
               format('%s: %s, then from %s to %s, now %s', f.key, f.earlier, f.before, f.after, p.value) AS detail
        FROM ({_FIELDS}) f
        LEFT JOIN ({_PRESENT}) p ON p.project = f.project AND p.id = f.voucher_id AND p.key = f.key
        WHERE f.after IS NULL OR f.earlier <> f.before OR f.is_last AND p.value IS DISTINCT FROM CASE
            WHEN f.key IN ('restrictions.startsAt', 'restrictions.expiresAt') AND f.after <> 'null'
            THEN to_jsonb((f.after #>> ARRAY[]::text[])::timestamptz) ELSE f.after
        END
    """,  # noqa: S608 - put together from the constants above
    "all codes of a voucher are in its history": """
        SELECT v.project, v.id::text AS subject,
               format('%s codes, told %s', coalesce(a.codes, 0), coalesce(c.codes, 0)) AS detail
        FROM vouchers v
        LEFT JOIN (
            SELECT project, voucher_id, count(*) AS codes
            FROM codes WHERE NOT is_primary AND generation_id IS NULL GROUP BY project, voucher_id
        ) a ON a.project = v.project AND a.voucher_id = v.id
        LEFT JOIN (
            SELECT project, voucher_id, sum(codes) AS codes
            FROM voucher_changes WHERE kind = 'codes_added' GROUP BY project, voucher_id
        ) c ON c.project = v.project AND c.voucher_id = v.id
        WHERE coalesce(a.codes, 0) <> coalesce(c.codes, 0)
    """,
    "all generations of codes are in the history of their voucher": """
        SELECT coalesce(g.project, c.project) AS project, coalesce(g.id, c.generation_id)::text AS subject,
               format('%s codes, told %s', g.count, c.codes) AS detail
        FROM code_generations g
        FULL JOIN (SELECT * FROM voucher_changes WHERE kind = 'codes_generated') c
             ON c.project = g.project AND c.generation_id = g.id AND c.voucher_id = g.voucher_id
        WHERE (c.codes, c.created_at) IS DISTINCT FROM (g.count, g.created_at)
    """,
    "a code was retired by hand if the history of its voucher says so": """
        SELECT coalesce(k.project, c.project) AS project, coalesce(k.id, c.code_id)::text AS subject,
               format('%s %s, told %s', k.retired_reason, k.retired_at, c.created_at) AS detail
        FROM codes k
        FULL JOIN (SELECT * FROM voucher_changes WHERE kind = 'code_retired') c
             ON c.project = k.project AND c.code_id = k.id AND c.voucher_id = k.voucher_id
        WHERE c.created_at IS DISTINCT FROM CASE WHEN k.retired_reason = 'manualAction' THEN k.retired_at END
              -- An update that gives the voucher another code retires the one before.
              AND (c.created_at IS NOT NULL OR NOT k.is_primary)
    """,
}
