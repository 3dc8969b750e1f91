-- What the roles of deploy/postgres/roles.sql may do with the tables of this release. Every migration to the newest
-- revision ends with it, as the owner of the tables. Without the roles, it does nothing.
--
-- PostgreSQL lets a role lock a row if it may update a column of it, and Scrip locks a row before it decides.

DO $$
DECLARE
    own regclass;
BEGIN
    IF (SELECT count(*) FROM pg_roles WHERE rolname IN ('scrip_worker', 'scrip_reader')) < 2 THEN
        RETURN;
    END IF;
    FOR own IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND pg_has_role(current_user, relowner, 'USAGE')
    LOOP
        EXECUTE 'REVOKE ALL ON ' || own || ' FROM PUBLIC, scrip_worker, scrip_reader';
        EXECUTE 'GRANT SELECT ON ' || own || ' TO scrip_worker, scrip_reader';
    END LOOP;
    -- With the key of an erasure, one could find out whether a pseudonym was a certain id.
    REVOKE SELECT ON customer_erasures FROM scrip_reader;
    GRANT SELECT (project, id, pseudonym, customer, actor, started_at, ended_at, request_keys) ON customer_erasures TO scrip_reader;
    GRANT INSERT ON
        attempts, audits, beat_ticks, budgets, code_generations, codes, customer_erasures, dead_letters,
        discount_changes, discounts, failed_attempts, given_amounts, holds, imported_discounts, invoice_discounts,
        invoice_reversals, redemptions, returned_places, subscriptions,
        sweeps, usage_entries, usage_records, usage_reversals, voucher_changes, vouchers, write_answers
    TO scrip_worker;

    -- Vouchers and codes: an update by the caller, the count of redemptions, and the retirement.
    GRANT UPDATE (
        name, code, campaign, percentage_millionths, amounts_minor, currency, phases, recurrence, duration_in_months,
        duration_in_cycles, carry_over, starts_at, expires_at, maximum_redemptions, maximum_redemptions_per_customer,
        products, minimum_subtotal_minor, minimum_subtotal_currency, stamps_required, stamp_expire_days, redemptions,
        imported_matched, held, places_returned, retired_reason, retired_at, metadata, updated_at,
        maximum_discount_minor, maximum_discount_currency, budget_minor, budget_currency, excluded_products,
        first_purchase_only, priority, exclusive, minimum_subtotal_on_invoice, maximum_discount_in_all_minor,
        maximum_discount_in_all_currency
    ) ON vouchers TO scrip_worker;
    GRANT UPDATE (code, redemptions, places_returned, retired_reason, retired_at, updated_at) ON codes TO scrip_worker;
    GRANT UPDATE (generated, completed_at) ON code_generations TO scrip_worker;
    GRANT UPDATE (amount_minor, spent_minor), DELETE ON budgets TO scrip_worker;
    GRANT UPDATE (amount_minor) ON given_amounts TO scrip_worker;

    -- Holds and discounts: their progress and their end, never whose they are.
    GRANT UPDATE (status, closed_at, redemption_id) ON holds TO scrip_worker;
    GRANT UPDATE (
        subscription, status, first_cycle_start, last_cycle_start, last_cycle_end, cycles, ends_on,
        duration_in_months, duration_in_cycles, entries_given_back, entries_credited, ended_at, completed_at, updated_at
    ) ON discounts TO scrip_worker;
    -- Only locked. A trigger refuses the update itself.
    GRANT UPDATE (subscription) ON subscriptions TO scrip_worker;

    GRANT UPDATE (began_at, attempts), DELETE ON failed_attempts TO scrip_worker;

    -- The erasure of a customer and the pruning. Of the tables that are append-only, triggers refuse everything else.
    GRANT UPDATE (customer, fingerprint, request_id), DELETE ON redemptions TO scrip_worker;
    GRANT UPDATE (customer, fingerprint, request), DELETE ON holds TO scrip_worker;
    GRANT UPDATE (customer) ON discounts, returned_places, codes TO scrip_worker;
    GRANT UPDATE (customer, fingerprint, answer) ON invoice_discounts, usage_records TO scrip_worker;
    GRANT UPDATE (answer) ON invoice_reversals TO scrip_worker;
    GRANT UPDATE (answer, fingerprint), DELETE ON write_answers TO scrip_worker;
    GRANT UPDATE (parameters, fingerprint) ON code_generations TO scrip_worker;
    GRANT UPDATE (digest) ON dead_letters TO scrip_worker;
    GRANT UPDATE (customer, key, ended_at, request_keys) ON customer_erasures TO scrip_worker;

    -- Messages, and what the sweeps, the audits and beat leave.
    GRANT UPDATE (together, alone, last_at), DELETE ON attempts TO scrip_worker;
    GRANT UPDATE (
        id, task, reason, attempts, died_at, queue, headers, body, content_type, content_encoding
    ), DELETE ON dead_letters TO scrip_worker;
    GRANT UPDATE (
        ended_at, expired, max_redemptions_reached, completed, codes_expired, codes_max_redemptions_reached,
        holds_lapsed
    ), DELETE ON sweeps TO scrip_worker;
    GRANT UPDATE (ended_at, checks, violations, findings), DELETE ON audits TO scrip_worker;
    GRANT UPDATE (ticked_at) ON beat_ticks TO scrip_worker;
END $$;
