select session, id, score, country
from events
order by score, session
