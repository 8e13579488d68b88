select user_id, count(*) as events, sum(amount) as amount, max(created) as newest
from events
group by user_id
order by amount desc nulls last, user_id
